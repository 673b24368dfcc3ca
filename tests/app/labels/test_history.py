"""A person's own labels: filtered, with the hours that they took."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app import models as m
from app.labels import history
from app.labels.history import OwnFilter
from app.web.zones import named
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def given(session: Session, cast: Cast) -> list[m.Label]:
    """Four labels of the annotator, a day apart, and one of somebody else."""
    found = []
    for number, (choice, seconds, comment) in enumerate(
        [("first", 60.0, None), ("tie", 3_000.0, "100% sure"), ("second", None, None), ("first", 240.0, "Café")]
    ):
        prompt = factories.prompt(session, cast.project, f"Question number {number} of snow_flakes?")
        item = factories.item(session, prompt, cast.project.base_model)
        about = {"seconds": seconds, "comment": comment, "created_at": NOON + timedelta(days=number)}
        found.append(factories.label(session, item, cast.annotator, m.Outcome(choice), **about))
        if number == 0:
            factories.label(session, item, cast.manager, seconds=9.0)
    factories.flag(session, found[2].item, cast.annotator, "Hm.")
    factories.flag(session, found[3].item, cast.manager, "Hm.")
    return found


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ({}, [3, 2, 1, 0]),
        ({"kind": "comparison"}, [3, 2, 1, 0]),
        ({"kind": "ranking"}, []),
        ({"choice": "first"}, [3, 0]),
        ({"choice": "tie", "kind": "comparison"}, [1]),
        ({"since": date(2026, 3, 11)}, [3, 2, 1]),
        ({"until": date(2026, 3, 11)}, [1, 0]),
        ({"since": date(2026, 3, 12), "until": date(2026, 3, 12)}, [2]),
        ({"until": date.max, "since": date.min}, [3, 2, 1, 0]),
        ({"flagged": True}, [2]),
        ({"search": "number 1"}, [1]),
        ({"search": "CAFÉ"}, [3]),
        ({"search": "100%"}, [1]),
        ({"search": "100_"}, []),
        ({"search": "snow_flakes"}, [3, 2, 1, 0]),
        ({"search": "snowxflakes"}, []),
        ({"search": "\\"}, []),
    ],
)
def test_each_filter_keeps_what_it_says(
    session: Session, cast: Cast, given: list[m.Label], chosen: dict[str, object], kept: list[int]
) -> None:
    found = history.listing(session, cast.project.id, cast.annotator.id, OwnFilter.model_validate(chosen))
    assert [label.id for label in found.items] == [given[place].id for place in kept]
    counted = history.work(session, cast.project.id, cast.annotator.id, OwnFilter.model_validate(chosen))
    assert counted.labels == len(kept)


def test_days_are_those_of_the_person(session: Session, cast: Cast, given: list[m.Label]) -> None:
    late = named("Pacific/Kiritimati")  # noon is two in the morning of the next day there
    day = OwnFilter(since=date(2026, 3, 11), until=date(2026, 3, 11))
    found = history.listing(session, cast.project.id, cast.annotator.id, day, late)
    assert [label.id for label in found.items] == [given[0].id]


def test_hours_count_what_was_measured_and_nobody_who_was_away(
    session: Session, cast: Cast, given: list[m.Label]
) -> None:
    work = history.work(session, cast.project.id, cast.annotator.id, OwnFilter())
    assert work.labels == 4
    assert work.hours == pytest.approx((60 + 600 + 240) / 3600)  # 3,000 seconds count as 600, one label has none
    assert work.pace == pytest.approx(3 / (900 / 3600))
    none = history.work(session, cast.project.id, cast.annotator.id, OwnFilter(flagged=True))
    assert (none.labels, none.hours, none.pace) == (1, 0, None)


def test_the_page_shows_them_in_pages_and_says_what_can_be_revised(
    session: Session, cast: Cast, as_: As, given: list[m.Label]
) -> None:
    given[3].item.withdrawn_at = NOON
    session.flush()
    browser, mine = as_("annotator"), f"/projects/{cast.project.id}/labels/mine"
    page = browser.get(mine).text
    assert page.count("/label?assignment=") == 3
    assert "withdrawn" in page
    assert "15 min" in page
    assert "<b>12</b>" in page
    first = browser.get(f"{mine}?choice=first&limit=1").text
    assert f"?limit=1&amp;choice=first&amp;before={given[3].id}" in first
    second = browser.get(f"{mine}?choice=first&limit=1&before={given[3].id}").text
    assert f"assignment={given[0].assignment_id}" in second
    assert "Older ones" not in second
    empty = browser.get(f"{mine}?search=nothing+of+that&since=&until=&kind=&choice=").text
    assert "None of your labels fits" in empty
    assert 'value="nothing of that"' in empty
    cast.project.archived_at = NOON
    session.flush()
    assert browser.get(mine).text.count("/label?assignment=") == 0


@pytest.mark.parametrize(
    "query", ["since=yesterday", "choice=left", "search=" + "x" * 201, "kind=" + "x" * 33, "limit=0"]
)
def test_nonsense_is_refused_with_a_sentence(cast: Cast, as_: As, query: str) -> None:
    refused = as_("annotator").get(f"/projects/{cast.project.id}/labels/mine?{query}")
    assert refused.status_code == 422
    assert query.split("=")[0] in refused.text.lower()


def test_the_api_has_the_same(session: Session, cast: Cast, as_: As, given: list[m.Label]) -> None:
    browser = as_("anonymous")
    headers, api = browser.bearer(cast.annotator), f"/api/v1/projects/{cast.project.id}/labels/mine"
    found = browser.get(f"{api}?choice=first", headers=headers).json()["items"]
    assert [each["id"] for each in found] == [given[3].id, given[0].id]
    assert browser.get(f"{api}/work?choice=first", headers=headers).json() == {
        "labels": 2, "hours": pytest.approx(300 / 3600), "pace": pytest.approx(24),
    }  # fmt: skip
