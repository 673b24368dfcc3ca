"""Looking things up in the audit trail: by kind, person, time and words; as a page of sentences, or as a file."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from app.accounts import events, queries
from app.accounts.events import SENTENCES, Told
from app.input import Chosen, Id
from app.models import AuditEvent
from app.web.pages import Page, Paging

BATCH = 500
MOST_LOOKED = 10_000  # events whose sentences one search reads; it goes on from there
MOST_ROWS = 20_000  # of a file


class EventFilter(Paging):
    """Which events to list."""

    action: str = Field("", max_length=64, description="Keeps the events whose action begins with this")
    person: Chosen[Id] = Field(None, description="Keeps what this person did")
    automatic: bool = Field(False, description="Keeps what Hone did without being asked")
    since: Chosen[date] = Field(None, description="The first day, in the time zone of the reader; of a program in UTC")
    until: Chosen[date] = Field(None, description="The last day")
    q: Annotated[str, Field(max_length=200)] = Field("", description="Words that the sentence has, in any order")


def find(session: Session, project_id: int | None, chosen: EventFilter, zone: tzinfo = UTC) -> Page[Told]:
    """A page of the events of a project, or of the whole installation, the newest first. Where a search has read many
    sentences and found few, the page is short, and the next one goes on."""
    words = chosen.q.casefold().split()
    if not words:
        return events.tell(session, _batch(session, project_id, chosen, zone, chosen.before, chosen.limit))
    found: list[Told] = []
    before, looked = chosen.before, 0
    while looked < MOST_LOOKED:
        batch = _batch(session, project_id, chosen, zone, before, BATCH)
        for told in events.tell(session, batch).items:
            if all(word in told.sentence.casefold() for word in words):
                found.append(told)
                if len(found) > chosen.limit:
                    return Page(found[:-1], found[-2].id)
        looked, before = looked + len(batch.items), batch.before
        if before is None:
            return Page(found, None)
    return Page(found, before)


def _batch(
    session: Session, project_id: int | None, chosen: EventFilter, zone: tzinfo, before: int | None, limit: int
) -> Page[AuditEvent]:
    return queries.events(
        session,
        project_id,
        before,
        chosen.action,
        limit,
        actor_id=chosen.person,
        automatic=chosen.automatic,
        since=_midnight(chosen.since, zone),
        until=_midnight(chosen.until and chosen.until + timedelta(days=1), zone),
    )


def _midnight(day: date | None, zone: tzinfo) -> datetime | None:
    return datetime.combine(day, time(), zone) if day is not None else None


def as_csv(session: Session, project_id: int | None, chosen: EventFilter, zone: tzinfo = UTC) -> Iterator[bytes]:
    """The same events as lines of CSV, the newest first, so many at most. A text that a spreadsheet would take for a
    formula begins with an apostrophe."""
    yield _line(["time", "who", "what", "action", "about", "number", "project"])
    rows, part = 0, chosen.model_copy(update={"limit": BATCH})
    while rows < MOST_ROWS:
        page = find(session, project_id, part, zone)
        for told in page.items:
            yield _line(
                [
                    told.at.astimezone(UTC).isoformat(timespec="seconds"),
                    told.actor_name or "Hone",
                    told.sentence,
                    told.action,
                    (told.subject_type or "").replace("_", " "),
                    str(told.subject_id or ""),
                    str(told.project_id or ""),
                ]
            )
        rows += len(page.items)
        if page.before is None:
            return
        part = part.model_copy(update={"before": page.before})


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells])
    return text.getvalue().encode()


def kinds() -> list[tuple[str, str]]:
    """(beginning of an action, words) of what can be kept."""
    names = sorted({action.split(".")[0] for action in SENTENCES})
    return [(f"{name}.", name.replace("_", " ").capitalize()) for name in names]
