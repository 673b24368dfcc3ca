"""Which items were skipped, and why: what managers read of the reasons that people gave."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from app.labels.forms import SkipFilter
from app.models import Assignment, AssignmentState, Project, User
from app.models.project_settings import LabelSettings
from app.web.pages import Page, page

NONE = "none"
"""Stands for "no reason given", where skips are filtered by their reason."""


@dataclass(frozen=True)
class Skip:
    """One person's skip; `reason` is the text of the project's reason, `note` what they wrote themselves."""

    id: int
    item_id: int
    annotator_id: int
    annotator: str
    reason_id: str | None
    reason: str | None
    note: str | None


@dataclass(frozen=True)
class SkipCount:
    """How many items were skipped for one reason; both are null where none was given."""

    reason_id: str | None
    reason: str | None
    count: int


def listing(session: Session, project: Project, chosen: SkipFilter) -> Page[Skip]:
    """Skips that stand, the newest lease first."""
    statement = select(Assignment).where(
        Assignment.project_id == project.id, Assignment.state == AssignmentState.SKIPPED
    )
    if chosen.item is not None:
        statement = statement.where(Assignment.item_id == chosen.item)
    if chosen.reason:
        wanted = None if chosen.reason == NONE else chosen.reason
        statement = statement.where(Assignment.skip_reason.is_not_distinct_from(wanted))
    statement = statement.options(joinedload(Assignment.annotator).undefer(User.shown))
    found = page(session, statement, Assignment.id, chosen.before, chosen.limit)
    return Page([_skip(each, project.answer) for each in found.items], found.before)


def counts(session: Session, project: Project) -> list[SkipCount]:
    """How many skips stand by their reason, the most frequent first."""
    rows = session.execute(
        select(Assignment.skip_reason, func.count().label("skips"))
        .where(Assignment.project_id == project.id, Assignment.state == AssignmentState.SKIPPED)
        .group_by(Assignment.skip_reason)
    ).all()
    found = [SkipCount(row.skip_reason, _text(row.skip_reason, project.answer), row.skips) for row in rows]
    return sorted(found, key=lambda each: (-each.count, each.reason or ""))


def _skip(row: Assignment, asked: LabelSettings) -> Skip:
    reason = row.skip_reason
    return Skip(row.id, row.item_id, row.annotator_id, row.annotator.shown, reason, _text(reason, asked), row.skip_note)


def _text(reason: str | None, asked: LabelSettings) -> str | None:
    return None if reason is None else asked.text_of(reason)
