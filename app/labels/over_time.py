"""Labels over time, by person and by hour of the day, and how far people agreed: counted in the reader's time zone.

Standing labels of what the queue asked. Imported ones are left out: they have the time of their import.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from sqlalchemy.orm import Session

from app.accounts import queries as accounts
from app.labels import over_time_queries as queries
from app.labels.queries import few
from app.models import Project
from app.statistics.agreement import Agreement, Prompts, agreement_of
from app.web.cache import Cache


class Over(StrEnum):
    """How far back one looks: by hour, day or week."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


SPANS = {Over.DAY: ("hour", 24), Over.WEEK: ("day", 7), Over.MONTH: ("day", 30), Over.YEAR: ("week", 53)}
"""What a bucket is, and how many there are; the last one is the present one."""


@dataclass(frozen=True)
class Worker:
    """A person who has labelled in the time looked at."""

    id: int
    name: str
    labels: int


@dataclass(frozen=True)
class Bucket:
    """An hour, a day or a week of local time. `by` are the labels of each person who gave some; `agreement` is of the
    pairs whose last label was given in it."""

    at: datetime
    labels: int
    by: dict[int, int]
    agreement: Agreement


@dataclass(frozen=True)
class OverTime:
    """`people` are sorted by their labels; `hours` are the labels of each hour of the day, from midnight on."""

    unit: str
    buckets: list[Bucket]
    people: list[Worker]
    hours: list[int]

    @property
    def labels(self) -> int:
        """How many in all."""
        return sum(bucket.labels for bucket in self.buckets)


_cache: Cache[OverTime] = Cache()


def over_time(session: Session, project: Project, over: Over, zone: tzinfo = UTC) -> tuple[OverTime, datetime]:
    """The figures and when they were counted: in a very large project a while ago."""
    return _cache.get((project.id, over, str(zone)), lambda: count(session, project.id, over, datetime.now(zone)))


def at_hand(
    session: Session, project: Project, over: Over, zone: tzinfo, wait: bool
) -> tuple[OverTime | None, datetime | None, bool]:
    """The same as far as they are there without a wait, and whether they are new enough; see `Cache.at_hand`."""
    return _cache.at_hand(
        (project.id, over, str(zone)),
        lambda: count(session, project.id, over, datetime.now(zone)),
        lambda: wait or few(session, project.id),
    )


def count(session: Session, project_id: int, over: Over, now: datetime) -> OverTime:
    """The figures as of a local time."""
    unit, number = SPANS[over]
    places = starts(now, unit, number)
    by: dict[datetime, dict[int, int]] = defaultdict(dict)
    hours, people = [0] * 24, set[int]()
    for row in queries.given(session, project_id, unit, places[0], str(now.tzinfo)):
        if row.hour is not None:
            hours[row.hour] = row.labels
        else:
            by[row.bucket][row.annotator_id] = row.labels
            people.add(row.annotator_id)
    judged: dict[datetime, dict[Prompts, int]] = defaultdict(lambda: defaultdict(int))
    for row in queries.agreed(session, project_id, unit, places[0], str(now.tzinfo)):
        judged[row.bucket][tuple(map(tuple, row.tallies))] += row.prompts
    buckets = []
    for at in places:
        found = by[at.replace(tzinfo=None)]
        agreement = agreement_of(judged[at.replace(tzinfo=None)])
        buckets.append(Bucket(at, sum(found.values()), found, agreement))
    totals: dict[int, int] = defaultdict(int)
    for bucket in buckets:
        for person, labels in bucket.by.items():
            totals[person] += labels
    names = accounts.shown(session, people)
    order = sorted(totals, key=lambda person: (-totals[person], person))
    return OverTime(unit, buckets, [Worker(person, names[person], totals[person]) for person in order], hours)


def starts(now: datetime, unit: str, number: int) -> list[datetime]:
    """When each of the last `number` hours, days or weeks began by local clocks, the present one last."""
    begun = now.replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        utc = begun.astimezone(UTC)
        return [(utc - timedelta(hours=back)).astimezone(now.tzinfo) for back in reversed(range(number))]
    begun = begun.replace(hour=0)
    if unit == "week":
        begun -= timedelta(days=begun.weekday())
    days = 7 if unit == "week" else 1
    return [begun - timedelta(days=days * back) for back in reversed(range(number))]
