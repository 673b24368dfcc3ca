"""What a client may send about prompts."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.input import Chosen, Id, Input
from app.models import PromptSource, PromptStatus, Split
from app.prompts.table import PROMPTS
from app.web.pages import Paging


class ImportBody(Input):
    """An import through the API: entries as in a JSONL file, each a text, a list of messages, or an object."""

    model_config = ConfigDict(extra="forbid")

    prompts: list[Any] = Field(min_length=1)
    accept_bad: bool = Field(False, description="Skip invalid entries and import the rest")
    dry_run: bool = Field(False, description="Only count")


class ReviewBody(Input):
    """Prompts from chat that wait for a decision, and which one."""

    model_config = ConfigDict(extra="forbid")

    prompts: list[Id] = Field(min_length=1, max_length=1000)
    admit: bool = Field(description="Whether they come into the loop, or are rejected")


class PromptConditions(Input):
    """Which prompts are meant."""

    search: str = Field("", max_length=200, description="Only prompts with this text in one of their turns")
    status: Chosen[PromptStatus] = None
    split: Chosen[Split] = None
    source: Chosen[PromptSource] = None


class PromptFilter(PromptConditions, Paging):
    """Which prompts to list."""

    sort: Annotated[str, PROMPTS.ordered] = PROMPTS.order
