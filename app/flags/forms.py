"""What may be sent about a flag."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.input import Id, Input
from app.web.pages import Paging

LONGEST = 5_000  # characters

Written = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST)]


class MessageForm(Input):
    """A message in a flag's thread."""

    model_config = ConfigDict(extra="forbid")

    message: Written = ""


class FlagForm(MessageForm):
    """A new flag."""

    assignment_id: Id = Field(description="Of the item that it is about, as it was put before me")


class FlagFilter(Paging):
    """Which flags to list."""

    state: Literal["open", "closed", "all"] = Field("open", description="Whether a manager has closed them")
