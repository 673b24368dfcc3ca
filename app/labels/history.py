"""What a person has labelled themselves: filtered, with the hours it took."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pydantic import Field
from sqlalchemy import ColumnElement, String, case, cast, exists, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, joinedload, selectinload

from app.input import Chosen
from app.models import Flag, Item, Label, Outcome, Prompt
from app.web.pages import Page, Paging, page
from app.web.views import View

LONGEST_WORK = 600  # seconds that one label counts at most; who took longer was away


class OwnFilter(Paging):
    """Which labels of mine."""

    limit: int = Field(30, ge=1, le=200, description="How many at most")
    kind: Chosen[str] = Field(None, max_length=32, description="Only labels of items of this kind")
    choice: Chosen[Outcome] = Field(
        None, description="Only this choice between two, as they were shown to me: `first` is the left one"
    )
    since: Chosen[date] = Field(None, description="Only labels of this day and later ones")
    until: Chosen[date] = Field(None, description="Only labels of this day and earlier ones")
    flagged: bool = Field(False, description="Only labels of items that I have flagged")
    search: Chosen[str] = Field(None, max_length=200, description="Only where the prompt or my comment has these words")


class Work(View):
    """How many labels, the hours that they took, and how many that is in an hour. The latter two count labels whose
    time the page measured, none as longer than LONGEST_WORK. `pace` is None where no time is known."""

    labels: int
    hours: float
    pace: float | None


def listing(session: Session, project_id: int, user_id: int, chosen: OwnFilter, zone: tzinfo = UTC) -> Page[Label]:
    """A person's standing labels of what the queue asked them, newest first, with what they were about. Days are those
    of `zone`."""
    statement = select(Label).options(
        joinedload(Label.item).joinedload(Item.prompt),
        selectinload(Label.preferences),
        joinedload(Label.instructions),
    )
    kept = _conditions(project_id, user_id, chosen, zone)
    return page(session, statement.where(*kept), Label.id, chosen.before, chosen.limit)


def work(session: Session, project_id: int, user_id: int, chosen: OwnFilter, zone: tzinfo = UTC) -> Work:
    """The hours behind all labels that the filter keeps, on every page."""
    seconds = case((Label.seconds.is_not(None), func.least(Label.seconds, LONGEST_WORK)))
    counted = select(func.count(), func.count(seconds), func.coalesce(func.sum(seconds), 0.0)).select_from(Label)
    kept = _conditions(project_id, user_id, chosen, zone)
    labels, timed, took = session.execute(counted.where(*kept)).one()
    return Work(labels=labels, hours=took / 3600, pace=timed / took * 3600 if took else None)


def _conditions(project_id: int, user_id: int, chosen: OwnFilter, zone: tzinfo) -> list[ColumnElement[bool]]:
    found = [Label.annotator_id == user_id, Label.project_id == project_id, Label.superseded_at.is_(None)]
    found.append(Label.assignment_id.is_not(None))
    value = type_coerce(Label.value, JSONB)
    if chosen.kind:
        found.append(value["kind"].astext == chosen.kind)
    if chosen.choice:
        found.append(value["choice"].astext == chosen.choice)
    if chosen.since:
        found.append(Label.created_at >= _midnight(chosen.since, zone))
    if chosen.until and chosen.until < date.max:
        found.append(Label.created_at < _midnight(chosen.until + timedelta(days=1), zone))
    if chosen.flagged:
        mine = (Flag.item_id == Label.item_id, Flag.person_id == Label.annotator_id)
        found.append(exists().where(*mine).correlate(Label))
    if chosen.search:
        words = "%" + chosen.search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        asked = (
            select(Item.id)
            .join(Prompt, Prompt.id == Item.prompt_id)
            .where(Item.id == Label.item_id, cast(Prompt.messages, String).ilike(words))
            .correlate(Label)
        )
        found.append(or_(Label.comment.ilike(words), asked.exists()))
    return found


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, zone)
