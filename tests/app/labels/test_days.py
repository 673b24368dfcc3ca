"""What counts as today: the day of the person, by the time zone that their browser says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.labels.progress import midnights
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.app.labels.conftest import AddItems
from tests.browser.labelling import zone_where_it_is


def test_a_day_begins_at_midnight_where_the_person_is(
    session: Session, cast: Cast, add_items: AddItems, as_: Callable[[str], Browser]
) -> None:
    item, _ = add_items(cast.project, 2)
    three_hours_ago = datetime.now(UTC) - timedelta(hours=3)
    factories.label(session, item, cast.annotator, created_at=three_hours_ago)
    browser = as_("annotator")

    def today(zone: str) -> str:
        browser.cookies.set("hone_zone", zone, domain="localhost.local", path="/")
        page = browser.get(f"/projects/{cast.project.id}/label").text
        return page.split('id="today">')[1].split("<")[0]

    assert [today(zone_where_it_is(hour)) for hour in (1, 12, 1)] == ["0", "1", "0"]
    in_utc = str(int(three_hours_ago.date() == datetime.now(UTC).date()))
    for nonsense in ("Nowhere/Land", "../../etc/passwd", "x" * 300, ""):
        assert today(nonsense) == in_utc


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        ("UTC", (2026, 3, 29), (2026, 3, 29, 0), 24),
        ("Asia/Tokyo", (2026, 3, 29), (2026, 3, 28, 15), 24),
        ("Europe/Berlin", (2026, 3, 29), (2026, 3, 28, 23), 23),  # the clocks go forward
        ("Europe/Berlin", (2026, 10, 25), (2026, 10, 24, 22), 25),
    ],
)
def test_a_day_is_as_long_as_the_clocks_say(
    zone: str, day: tuple[int, int, int], begins: tuple[int, int, int, int], hours: int
) -> None:
    before, after = midnights(datetime(*day, 14, 30, tzinfo=ZoneInfo(zone)))
    assert before == datetime(*begins, tzinfo=UTC)
    assert after - before == timedelta(hours=hours)
