"""What the calls about labels respond with."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict

from app.labels.habits import Couple
from app.labels.over_time import Worker
from app.labels.quality import Annotator
from app.labels.skips import SkipCount
from app.labels.task import Task
from app.models import Label, Messages, Outcome, Project
from app.models.documents import Extra
from app.statistics.agreement import Agreement
from app.web.views import View


class ShownResponse(View):
    """A response as it is displayed."""

    text: str
    finish_reason: str | None


class TaskView(View):
    """An item that I hold: its prompt, and its responses in the order in which they are to be displayed.
    `instructions` is the version of the guidelines and questions that goes with it."""

    assignment_id: int
    instructions: int | None
    kind: str
    messages: Messages
    responses: list[ShownResponse]


class Claimed(View):
    """`task` is null where there is nothing to label."""

    task: TaskView | None


class Saved(View):
    """The label's number, and the item that follows. `label` is null where it could not be taken; `warning` says why,
    or what else became of it."""

    label: int | None
    warning: str | None
    paused: bool
    next: TaskView | None


class Change(View):
    """A stretch of either text, in reading order."""

    change: Literal["kept", "removed", "added"]
    text: str


class LabelPreview(View):
    """A response that is being written. `html` is its rendering, null where there is no text yet; `changes` are those
    to the response that it began as, null where it began as none. A kind from outside may have more."""

    model_config = ConfigDict(extra="allow")

    html: str | None = None
    changes: list[Change] | None = None
    words: int | None = None


class Skipped(View):
    """False where the item was not open any more."""

    skipped: bool


class SkipView(View):
    """A person's skip of an item. `reason` is the text of the project's reason that they gave, `note` what they wrote
    themselves; either may be null."""

    item_id: int
    annotator_id: int
    reason_id: str | None
    reason: str | None
    note: str | None


class Renewed(View):
    """False where the lease has ended."""

    open: bool


class LabelValueView(View):
    """What was decided, in terms of what was shown; the item's kind says which fields there are."""

    model_config = ConfigDict(extra="allow")

    kind: str


class PreferenceView(View):
    """Which of two responses, by their positions in the item, the label prefers, and how strongly. `question` is empty
    for the main one."""

    question: str
    first: int
    second: int
    outcome: Outcome
    probability: float | None
    strength: int | None
    raters: int


class LabelView(View):
    """A label. `order` has the positions of the item's responses as they were displayed; `assignment_id` is null where
    the label came from a chat, or by import `run_id`: then `annotator_id` is null too, `imported_annotator` whoever the
    file names, and `extra` has its further columns. `instructions` is the version of the guidelines and questions that
    it was given under, null where that is not known."""

    id: int
    item_id: int
    assignment_id: int | None
    annotator_id: int | None
    imported_annotator: str | None
    run_id: int | None
    extra: Extra | None
    value: LabelValueView
    order: list[int]
    preferences: list[PreferenceView]
    reasons: list[str]
    comment: str | None
    seconds: float | None
    instructions: int | None
    late: bool
    surplus: bool
    created_at: datetime


class QualityView(View):
    """Agreement on the main question and on each further one, how each annotator works, how far each two agree;
    `paces`: how many labels took less than 2, 5, 10, 20, 40, 80 seconds, and more."""

    agreement: Agreement
    questions: dict[str, Agreement]
    annotators: list[Annotator]
    couples: list[Couple]
    paces: list[int]
    skips: list[SkipCount]
    counted_at: datetime


class BucketView(View):
    """An hour, a day or a week: when it began, labels in all and of each person by number, and how far people agreed on
    the pairs whose last label was given in it."""

    at: datetime
    labels: int
    by: dict[int, int]
    agreement: Agreement


class OverTimeView(View):
    """Labels over time. `people` are those who gave some, with how many; `hours` are labels by hour of the day."""

    unit: str
    labels: int
    buckets: list[BucketView]
    people: list[Worker]
    hours: list[int]
    counted_at: datetime


def task_view(task: Task, project: Project) -> TaskView:
    """A lease and what it shows."""
    return TaskView(
        assignment_id=task.id,
        instructions=project.version,
        kind=task.kind,
        messages=task.messages,
        responses=[ShownResponse(text=shown.text, finish_reason=shown.finish_reason) for shown in task.responses],
    )


def label_view(label: Label) -> LabelView:
    """A label with its preferences."""
    return LabelView(
        id=label.id,
        item_id=label.item_id,
        assignment_id=label.assignment_id,
        annotator_id=label.annotator_id,
        imported_annotator=label.imported_annotator.name if label.imported_annotator else None,
        run_id=label.run_id,
        extra=label.extra,
        value=LabelValueView(**label.value.model_dump()),
        order=list(label.order),
        preferences=[PreferenceView.model_validate(stated) for stated in label.preferences],
        reasons=label.reasons,
        comment=label.comment,
        seconds=label.seconds,
        instructions=label.instructions.number if label.instructions else None,
        late=label.late,
        surplus=label.surplus,
        created_at=label.created_at,
    )
