"""What the labelling screen shows: an item rendered in its display order, or why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any, ClassVar

from markupsafe import Markup
from sqlalchemy.orm import Session

from app.annotation import KINDS, Kind, RawLabel
from app.items import queries as item_queries
from app.labels import blocks, lease_queries, leases, progress, saving, service
from app.labels.keys import REASONS
from app.labels.new_label import NewLabel
from app.labels.progress import Progress
from app.labels.service import Submitted
from app.labels.task import Task
from app.models import Label, Member, Project, Run, RunState, User
from app.models.kind_settings import KindSettings
from app.models.project_settings import LabelSettings
from app.web.errors import NotFound
from app.web.markdown import to_html

_LONG_TURN = 1_500  # characters; longer turns before the last one are folded


@dataclass(frozen=True)
class Turn:
    """One message of the prompt."""

    speaker: str
    html: Markup
    folded: bool


@dataclass(frozen=True)
class Shown:
    """One of the responses as displayed; the first has the number 1."""

    number: int
    text: str
    html: Markup
    finish: str | None


@dataclass(frozen=True)
class Filled:
    """A label to start from, as the form's fields have it."""

    raw: RawLabel
    reasons: list[str]
    comment: str
    label: int = 0  # the one that stands, 0: none


@dataclass(frozen=True)
class Screen:
    """Everything the template needs. Without a `task`, `waiting` says why."""

    project_id: int
    lease_minutes: int
    settings: LabelSettings
    instructions: int | None  # the version of the guidelines and questions that it shows
    progress: Progress
    task: Task | None = None
    turns: tuple[Turn, ...] = ()
    responses: tuple[Shown, ...] = ()
    preview: Mapping[str, Any] | None = None  # of a kind that has one
    filled: Filled | None = None
    revisiting: bool = False
    paused: str | None = None
    waiting: str | None = None
    skipped: int = 0
    sampling: Run | None = None
    reason_keys: ClassVar[str] = REASONS
    block: int | None = None  # where kinds are mixed: which item of its block this is, from 1 on

    @property
    def kind(self) -> Kind | None:
        """Of the item, where there is one."""
        return KINDS[self.task.kind] if self.task else None

    @property
    def kind_settings(self) -> KindSettings | None:
        """The settings of that kind."""
        return self.settings.kinds[self.task.kind] if self.task else None

    @property
    def kinds(self) -> list[Kind]:
        """Those that this page may come to show: the ones that are asked, and this item's."""
        shown = self.task.kind if self.task else None
        return [kind for name, kind in KINDS.items() if name == shown or name in self.settings.asked]

    @property
    def renew_seconds(self) -> int:
        """How often the open page renews its lease."""
        return max(20, self.lease_minutes * 20)


def next_screen(session: Session, project: Project, user: User, member: Member | None, zone: tzinfo = UTC) -> Screen:
    """The item this person compares now, or what they wait for; `zone` is theirs, here as below."""
    return _now(session, project, user, member, service.next_task(session, project, user, member), zone)


def save_and_claim(
    session: Session,
    project: Project,
    user: User,
    member: Member | None,
    assignment_id: int,
    new: NewLabel,
    zone: tzinfo = UTC,
) -> tuple[Submitted, Screen]:
    """Save a label and go on: what became of it, and the screen with the next item."""
    done = service.submit_and_claim(session, project, user, member, assignment_id, new)
    return done, _now(session, project, user, member, done.task, zone)


def revisit(
    session: Session,
    project: Project,
    user: User,
    assignment_id: int,
    typed: Filled | None = None,
    zone: tzinfo = UTC,
) -> Screen:
    """One of this person's comparisons again, with its label (or what they just typed) filled in."""
    task = leases.task_of(session, project, user, assignment_id)
    label = saving.current_label(session, user.id, task.item_id)
    filled = _filled(label) if label else None
    if typed is not None:
        filled = replace(typed, label=label.id if label else 0)
    done = progress.count(session, project, user, zone)
    return with_item(*_project(project), done, task, filled=filled, revisiting=task.state != "open")


def previous(session: Session, project: Project, user: User, before: int | None) -> int:
    """The comparison finished before `before`; NotFound where there is none."""
    found = saving.last_assignment(session, project.id, user.id, before)
    if found is None:
        raise NotFound("There is nothing to undo: this is your first comparison here.")
    return found


def with_item(
    project_id: int,
    lease_minutes: int,
    settings: LabelSettings,
    instructions: int | None,
    done: Progress,
    task: Task,
    **more: Any,
) -> Screen:
    """The screen with an item."""
    last = len(task.messages) - 1
    kept: Sequence[str | None] = task.prompt_html or [None] * len(task.messages)
    turns = tuple(
        Turn(
            message["role"],
            _html(message["content"], html, "message"),
            place < last and len(message["content"]) > _LONG_TURN,
        )
        for place, (message, html) in enumerate(zip(task.messages, kept, strict=True))
    )
    responses = tuple(
        Shown(number, shown.text, _html(shown.text, shown.html), shown.finish_reason)
        for number, shown in enumerate(task.responses, start=1)
    )
    filled: Filled | None = more.get("filled")
    more["preview"] = preview(task, filled.raw if filled else None)
    about = (project_id, lease_minutes, settings, instructions)
    return Screen(*about, done, task=task, turns=turns, responses=responses, **more)


def preview(task: Task, raw: RawLabel | None) -> Mapping[str, Any] | None:
    """What is seen of a response before it is sent, or of where it begins; None where its kind shows nothing."""
    kind, texts = KINDS[task.kind], [shown.text for shown in task.responses]
    if kind.preview_template is None:
        return None
    return kind.preview(raw or RawLabel("".join(texts[:1])), texts)


def _now(
    session: Session, project: Project, user: User, member: Member | None, task: Task | None, zone: tzinfo
) -> Screen:
    done, about = progress.count(session, project, user, zone), _project(project)
    if task is not None:
        return with_item(*about, done, task, block=blocks.place(session, project, user.id))
    if member is not None and member.paused_at is not None:
        return Screen(*about, done, paused=member.pause_reason or "A manager has paused your work here.")
    skipped = lease_queries.skipped_count(session, project.id, user.id)
    last = item_queries.last_sampling(session, project.id)
    sampling = last if last is not None and last.state in (RunState.QUEUED, RunState.RUNNING) else None
    waiting = "archived" if project.archived_at else "sampling" if sampling else "done"
    return Screen(*about, done, waiting=waiting, skipped=skipped, sampling=sampling)


def _project(project: Project) -> tuple[int, int, LabelSettings, int | None]:
    return project.id, project.lease_minutes, project.answer, project.version


def _html(text: str, kept: str | None, what: str = "answer") -> Markup:
    return to_html(text, what) if kept is None else Markup(kept)  # noqa: S704  kept by `app.items.service`


def _filled(label: Label) -> Filled:
    return Filled(KINDS[label.value.kind].raw(label.value), label.reasons, label.comment or "", label.id)
