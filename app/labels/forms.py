"""What an annotator may send. Whether the project's scale knows the choice is checked by `app.labels.new_label`."""

from typing import Annotated, Literal

from pydantic import AllowInfNan, ConfigDict, Field, StringConstraints

from app import annotation
from app.input import CUT_LATER, MOST, Chosen, Id, Input
from app.labels.new_label import NewLabel, read_label
from app.labels.table import LABELS
from app.models.export_settings import LabelConditions
from app.models.project_settings import LabelSettings
from app.projects.bulk import BulkBody
from app.web.pages import Paging

Word = Annotated[str, StringConstraints(max_length=100)]


class LabelForm(Input):
    """A label of one item."""

    model_config = ConfigDict(extra="forbid")

    assignment_id: Id
    kind: str = Field(default_factory=annotation.first, max_length=32, description="Of the item that is labelled")
    answer: str = Field("", description="The label in the words of the item's kind, see docs/annotating.md")
    fields: dict[str, Word] = Field(
        default_factory=dict, max_length=20, description="The same as named fields, where the kind has some"
    )
    questions: dict[str, Word] = Field(
        default_factory=dict, max_length=20, description="The choice for each further question of the project"
    )
    reasons: list[str] = Field(default_factory=list, max_length=50)
    comment: str | None = None
    instructions: Id | None = Field(
        None, description="The version of the guidelines and questions that were shown; else the present one"
    )
    replaces: int | None = Field(
        None,
        ge=0,
        le=MOST,
        description="The label of mine that was shown with the item, 0: none. Where another one stands by now, nothing "
        "is saved (409). Not given: whichever stands is replaced",
    )
    seconds: Annotated[float | None, CUT_LATER, AllowInfNan(True)] = Field(None, description="From display to label")

    @property
    def raw(self) -> annotation.RawLabel:
        """What the kind reads."""
        return annotation.RawLabel(self.answer, self.fields, self.questions)

    def read(self, settings: LabelSettings) -> NewLabel:
        """The label; Invalid or TooLarge with a sentence where the project does not take it."""
        beside = (self.reasons, self.comment, self.seconds, self.instructions, self.replaces)
        return read_label(settings, self.kind, self.raw, *beside)


class AssignmentForm(Input):
    """Which comparison is meant."""

    assignment_id: Id


class SkipForm(AssignmentForm):
    """Which item is left to somebody else, and why, where its person says so."""

    reason: str = Field("", max_length=80, description="The id of one of the project's reasons to skip")
    note: Annotated[str, StringConstraints(max_length=500)] = Field("", description="In one's own words")


class SkipFilter(Paging):
    """Which skips to list."""

    reason: str | None = Field(None, max_length=80, description="The id of a reason; `none`: no reason was given")
    item: Chosen[Id] = Field(None, description="Only skips of the item with this number")


class LabelFilter(LabelConditions, Paging):
    """Which labels to list."""

    sort: Annotated[str, LABELS.ordered] = LABELS.order


class LabelsBulk(BulkBody, LabelConditions):
    """What is to be done about which labels."""

    action: Literal["again"]
