"""What is sent to delete something for good."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from app.input import Input

Labels = Annotated[
    Literal["keep", "delete"],
    Field(description="keep: their labels stay, under a number; delete: they go, and what was made of them follows"),
]
Days = Annotated[int | None, Field(ge=1, le=36_500)]


class ProjectDeletion(Input):
    """Delete this project."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(description="The project's name, to say that this one is meant")


class PersonDeletion(Input):
    """Delete this person."""

    model_config = ConfigDict(extra="forbid")
    email: str = Field(description="The person's e-mail, to say that this one is meant")
    labels: Labels = "keep"


class RetentionRule(Input):
    """What may go by its age; null: nothing of this."""

    model_config = ConfigDict(extra="forbid")
    runs: Days = Field(None, description="Days after a run's end for which its folder is kept")
    chats: Days = Field(None, description="Days after its last turn for which a conversation is kept")
