"""What a client may send about a chat."""

from typing import Literal

from pydantic import ConfigDict, Field

from app.input import Input

MAX_CHARACTERS = 16_000


class MessageForm(Input):
    """A message; its length is checked by the service, which has a sentence for it."""

    model_config = ConfigDict(extra="forbid")

    content: str = ""
    consent: bool = Field(False, description="Of a new conversation: may its prompts and choices be used for training")


class ConsentForm(Input):
    """May this conversation's prompts and choices be used for training?"""

    model_config = ConfigDict(extra="forbid")

    consent: bool = False


class ThumbForm(Input):
    """What the reader thinks of a response; `none` takes a thumb back."""

    model_config = ConfigDict(extra="forbid")

    thumb: Literal["up", "down", "none"]


class ChoiceForm(Input):
    """Which of two responses to the same message is better."""

    model_config = ConfigDict(extra="forbid")

    choice: Literal["first", "second", "tie"]
