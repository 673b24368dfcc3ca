"""What a client may send about items."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.input import Chosen, Id, Input
from app.items.table import ITEMS
from app.models import Purpose, Split
from app.projects.bulk import BulkBody
from app.prompts.forms import PromptConditions
from app.web.pages import Paging


class ItemConditions(Input):
    """Which items are meant. `state`: open (a label is asked for), done, or withdrawn."""

    purpose: Chosen[Purpose] = None
    state: Chosen[Literal["open", "done", "withdrawn"]] = None
    split: Chosen[Split] = None
    prompt: Chosen[Id] = None


class ItemFilter(ItemConditions, Paging):
    """Which items to list."""

    sort: Annotated[str, ITEMS.ordered] = ITEMS.order


class ChecksForm(Input):
    """How many attention checks to make."""

    count: int = Field(10, ge=1, le=200)


class SampleForm(Input):
    """How many prompts to sample responses for; none: as many as the queue lacks."""

    count: int | None = Field(None, ge=1, le=10_000)


class ItemsBody(Input):
    """Which items an API request is about."""

    model_config = ConfigDict(extra="forbid")

    items: list[Id] = Field(min_length=1, max_length=10_000)


class PromptsBody(Input):
    """Which prompts an API request is about."""

    model_config = ConfigDict(extra="forbid")

    prompts: list[Id] = Field(min_length=1, max_length=10_000)


class ItemsBulk(BulkBody, ItemConditions):
    """What is to be done to which items."""

    action: Literal["first", "again", "withdraw"]


class PromptsBulk(BulkBody, PromptConditions):
    """What is to be done to which prompts."""

    action: Literal["withdraw", "restore", "admit", "reject"]
