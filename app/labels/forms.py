"""What an annotator may send. Whether the project's scale knows the answer is checked by `app.labels.answers`."""

from typing import Annotated

from pydantic import AllowInfNan, ConfigDict, Field, StringConstraints

from app.input import CUT_LATER, Id, Input
from app.models import Outcome, Purpose
from app.prompts.forms import Chosen


class AnswerForm(Input):
    """An answer to one comparison."""

    model_config = ConfigDict(extra="forbid")

    assignment_id: Id
    kind: str = Field("comparison", max_length=32, description="Of the item that is answered")
    answer: str = Field(max_length=20, description="left, right, tie, both_bad; with strength: left-1 to right-4")
    questions: dict[str, Annotated[str, StringConstraints(max_length=20)]] = Field(
        default_factory=dict, max_length=20, description="left, right or tie for each further question of the project"
    )
    reasons: list[str] = Field(default_factory=list, max_length=50)
    comment: str | None = None
    seconds: Annotated[float | None, CUT_LATER, AllowInfNan(True)] = Field(None, description="From display to answer")


class AssignmentForm(Input):
    """Which comparison is meant."""

    assignment_id: Id


class LabelFilter(Input):
    """Which labels to list."""

    outcome: Chosen[Outcome] = None
    annotator: Chosen[Id] = None
    purpose: Chosen[Purpose] = None
    late: bool = False
    commented: bool = False
    before: Id | None = None
