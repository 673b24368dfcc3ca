"""What a client may send about items."""

from typing import Literal

from pydantic import ConfigDict, Field

from app.input import Chosen, Id, Input
from app.models import Purpose, Split
from app.web.pages import Paging


class ItemFilter(Paging):
    """Which items to list."""

    purpose: Chosen[Purpose] = None
    state: Chosen[Literal["open", "done", "withdrawn"]] = None
    split: Chosen[Split] = None
    prompt: Chosen[Id] = None


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
