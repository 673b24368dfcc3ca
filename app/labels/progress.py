"""What the screen tells of progress: this person's day and pace, the project's labels and open ones. Counted from
what was counted before, so that it takes a time that does not grow with the labels."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import time as clock

from sqlalchemy.orm import Session

from app.labels import saving, turn
from app.labels.turn import LabelledSince
from app.models import Project, User
from app.web import metering

# A project's totals are counted anew after this long, or after a hundred times what the counting took.
_TOTALS_SECONDS = 15.0

# A person's labels of today are counted from the last label that was counted; all of them again after this long, since
# a transaction that was counted may have been undone.
_TODAY_SECONDS = 600.0

_totals: dict[int, tuple[float, tuple[int, int]]] = {}  # project -> until when, labels and how many are asked for
_today: dict[tuple[int, int], "Day"] = {}  # by project and person


@dataclass(frozen=True)
class Progress:
    """What the screen tells: items that this person first labelled today and their pace (median seconds), the project's
    labels and how many are still asked for."""

    today: int
    pace: float | None
    labels: int
    wanted: int

    @property
    def many(self) -> bool:
        """Whether more labels are asked for than were counted."""
        return self.wanted >= saving.MOST_COUNTED

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes one person at this pace."""
        return self.wanted * self.pace if self.pace and self.wanted else None


@dataclass(frozen=True)
class Day:
    """A person's labels between two midnights of their time zone, up to their label `last`, which need not be counted
    again before `until`."""

    until: float
    zone: tzinfo
    midnight: datetime
    ends: datetime
    last: int
    labels: int


def count(session: Session, project: Project, user: User, zone: tzinfo = UTC) -> Progress:
    """What the screen tells this person, whose day begins at midnight in `zone`."""
    day = day_of(project.id, user.id)
    if day is None or day.zone != zone:
        midnight, ends = midnights(datetime.now(zone))
        last = saving.last_label_before(session, project.id, user.id, midnight)
        day = Day(time.monotonic() + _TODAY_SECONDS, zone, midnight, ends, last, 0)
    since = turn.progress_since(session, project.id, user.id, day.midnight, day.last)
    if not totals_are_fresh(project.id):
        started = time.monotonic()
        totals = saving.project_totals(session, project.id)
        took = time.monotonic() - started
        _totals[project.id] = (time.monotonic() + max(_TOTALS_SECONDS, 100 * took), totals)
    return counted_on(project.id, user.id, day, since)


def day_of(project_id: int, user_id: int) -> Day | None:
    """What was counted of this person's day, to count on from; None where it has to be counted anew."""
    day = _today.get((project_id, user_id))
    return day if day is not None and time.monotonic() < day.until and datetime.now(UTC) < day.ends else None


def totals_are_fresh(project_id: int) -> bool:
    """Whether the project's labels and open ones need not be counted anew."""
    return project_id in _totals and time.monotonic() < _totals[project_id][0]


def counted_on(project_id: int, user_id: int, day: Day, since: LabelledSince) -> Progress:
    """Keep what was counted since `day`; what the screen tells then, with the totals counted last."""
    day = replace(day, last=since.last, labels=day.labels + since.new)
    _today[project_id, user_id] = day
    return Progress(day.labels, since.pace, *_totals[project_id][1])


def note_label(project_id: int) -> None:
    """One label more until the totals are counted anew, and for /metrics."""
    metering.note_label(project_id)
    if project_id in _totals:
        until, (labels, wanted) = _totals[project_id]
        _totals[project_id] = (until, (labels + 1, max(wanted - 1, 0)))


def midnights(now: datetime) -> tuple[datetime, datetime]:
    """The ones before and after a local time, in UTC; with a change of the clocks they are not 24 hours apart."""
    days = now.date(), now.date() + timedelta(days=1)
    before, after = (datetime.combine(day, clock(), now.tzinfo).astimezone(UTC) for day in days)
    return before, after
