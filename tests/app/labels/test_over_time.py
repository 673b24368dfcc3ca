"""Labels over time: by person, by hour of the reader's day, and how far people agreed; as figures, page and file."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from json import loads
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.labels.over_time import Over, count, starts
from app.models import Item, Outcome, Project, Purpose, User
from tests import factories
from tests.app.conftest import Browser, Cast

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 30, 12, 30, tzinfo=BERLIN)  # a Monday, the day after the clocks went forward


@pytest.fixture
def people(session: Session) -> list[User]:
    return [factories.user(session, name=name) for name in ("Ada", "Bob", "Bob")]


def item(session: Session, project: Project, **over: Any) -> Item:
    made: Item = factories.item(session, factories.prompt(session, project), project.base_model, slots_left=0, **over)
    return made


def label(
    session: Session, it: Item, person: User, at: datetime, outcome: Outcome = Outcome.FIRST, **over: Any
) -> None:
    factories.label(session, it, person, outcome, created_at=at, **over)


def test_buckets_are_the_readers_hours_days_and_weeks() -> None:
    hours = starts(NOW, "hour", 3)
    assert [f"{at:%d %H:%M}" for at in hours] == ["30 10:00", "30 11:00", "30 12:00"]
    days = starts(NOW, "day", 3)
    assert [(f"{at:%d %H:%M}", at.utcoffset()) for at in days] == [
        ("28 00:00", timedelta(hours=1)), ("29 00:00", timedelta(hours=1)), ("30 00:00", timedelta(hours=2)),
    ]  # fmt: skip
    assert [f"{at:%d %b}" for at in starts(NOW, "week", 2)] == ["23 Mar", "30 Mar"]


def test_labels_are_counted_by_person_day_and_hour(session: Session, people: list[User]) -> None:
    project, (ada, bob, bobby) = factories.project(session), people
    morning = datetime(2026, 3, 30, 7, 10, tzinfo=UTC)  # 09:10 in Berlin
    late = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)  # 00:30 on the 29th
    for at, person in ((morning, ada), (morning, ada), (morning, bob), (late, bob)):
        label(session, item(session, project), person, at)
    label(session, item(session, project), ada, morning, superseded_at=morning)  # changed later: counts no more
    label(session, item(session, project), bobby, datetime(2026, 3, 1, tzinfo=UTC))  # too long ago, but in the year
    label(session, item(session, project), ada, morning, assignment_id=None)  # not from the queue
    label(session, item(session, factories.project(session)), ada, morning)
    session.flush()
    found = count(session, project.id, Over.WEEK, NOW)
    assert (found.unit, found.labels, len(found.buckets)) == ("day", 4, 7)
    assert [bucket.labels for bucket in found.buckets] == [0, 0, 0, 0, 0, 1, 3]
    assert found.buckets[-1].by == {ada.id: 2, bob.id: 1}
    assert [(worker.name, worker.labels) for worker in found.people] == [("Ada", 2), (f"Bob, {bob.email}", 2)]
    assert {hour: labels for hour, labels in enumerate(found.hours) if labels} == {0: 1, 9: 3}
    by_hour = count(session, project.id, Over.DAY, NOW)
    assert [(f"{bucket.at:%H}", bucket.labels) for bucket in by_hour.buckets if bucket.labels] == [("09", 3)]
    year = count(session, project.id, Over.YEAR, NOW)
    assert [bucket.labels for bucket in year.buckets[-6:]] == [1, 0, 0, 0, 1, 3]
    assert [worker.name for worker in year.people] == ["Ada", f"Bob, {bob.email}", f"Bob, {bobby.email}"]


def test_agreement_is_of_the_pairs_whose_last_label_was_given_then(session: Session, people: list[User]) -> None:
    project, (ada, bob, cleo) = factories.project(session), people
    today, before = datetime(2026, 3, 30, 8, tzinfo=UTC), datetime(2026, 3, 27, 8, tzinfo=UTC)
    one, two, alone = (item(session, project) for _ in range(3))
    label(session, one, ada, before)
    label(session, one, bob, today)  # judged today: all three comparisons are today's, of which one is equal
    label(session, one, cleo, today, Outcome.SECOND)
    label(session, two, ada, before, Outcome.TIE)
    label(session, two, bob, before, Outcome.TIE)
    label(session, alone, ada, today)
    check = item(session, project, purpose=Purpose.CHECK, expected={"best": 0})
    for person in (ada, bob):
        label(session, check, person, today)
    session.flush()
    found = {bucket.at.day: bucket.agreement for bucket in count(session, project.id, Over.WEEK, NOW).buckets}
    assert (found[30].items, found[30].comparisons) == (1, 3)
    assert found[30].percent == pytest.approx(1 / 3)
    assert (found[27].items, found[27].comparisons, found[27].percent) == (1, 1, 1.0)
    assert found[28].percent is None


def test_the_page_the_file_and_the_api_say_the_same(
    as_: Callable[[str], Browser], cast: Cast, session: Session
) -> None:
    manager, here = as_("manager"), f"/projects/{cast.project.id}/labels/over-time"
    empty = manager.get(here)
    assert "No labels in this time" in empty.text
    cast.annotator.name = "=Ann<b>"
    other = factories.user(session, name="Zoë")
    it, now = item(session, cast.project), datetime.now(UTC)
    label(session, it, cast.annotator, now)
    label(session, it, other, now)
    session.flush()
    page = manager.get(f"{here}?over=week").text
    assert "2 labels by 2 people" in page
    drawn = loads(unescape(page.split('<script type="application/json">')[1].split("</script>")[0]))
    everybody, *each = drawn["sources"]
    assert everybody["points"]["labels"][1][-1] == 2
    days, agreed = everybody["points"]["labels"][0], everybody["points"]["agreement"]
    assert agreed == [[days[0], days[-1]], [None, 100.0]]  # one axis of time for both charts
    assert everybody["points"]["high"][1] == [None, 100.0]
    assert [(one["label"], one["points"]["labels"][1][-1]) for one in each] == [("=Ann<b>", 1), ("Zoë", 1)]
    lines = list(csv.reader(manager.get(f"{here}.csv?over=week").text.splitlines()))
    assert lines[0][:4] == ["day", "labels", "'=Ann<b>", "Zoë"]  # no formula in a spreadsheet
    assert lines[-1][1:5] == ["2", "1", "1", "1.0000"]
    told = manager.get(f"/api/v1{here}?over=week&zone=Europe/Berlin").json()
    assert (told["labels"], told["buckets"][-1]["agreement"]["percent"], sum(told["hours"])) == (2, 1.0, 2)
    assert manager.get(f"{here}?over=century").status_code == 422
    assert manager.get(f"/api/v1{here}?zone=Nowhere/../x").status_code == 200  # counted in UTC
    assert as_("annotator").get(here).status_code == 403
