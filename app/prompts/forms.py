"""What a client may send about prompts."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.input import Chosen, Input
from app.models import PromptSource, PromptStatus, Split
from app.prompts.reading import Layout
from app.web.pages import Paging

MAX_KEPT = 500_000  # bytes of a file that the page of its preview carries


class ImportForm(Input):
    """An import from the page; the file, where there is one, comes beside it."""

    text: str = ""
    kept: str = Field("", max_length=MAX_KEPT * 4 // 3 + 4, description="A file that was previewed, in base64")
    kept_name: str = Field("", max_length=200)
    layout: Layout = "auto"
    accept_bad: bool = False
    action: Literal["preview", "import"] = "import"


class ImportBody(Input):
    """An import through the API: entries as in a JSONL file, each a text, a list of messages, or an object."""

    model_config = ConfigDict(extra="forbid")

    prompts: list[Any] = Field(min_length=1)
    accept_bad: bool = Field(False, description="Skip invalid entries and import the rest")
    dry_run: bool = Field(False, description="Only count")


class PromptFilter(Paging):
    """Which prompts to list."""

    status: Chosen[PromptStatus] = None
    split: Chosen[Split] = None
    source: Chosen[PromptSource] = None
    contains: str = Field("", max_length=200)
