"""Looking things up in the audit trail: by person, day, kind and words; page, API and file say the same."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.accounts import trail
from app.accounts.audit import record
from app.accounts.trail import EventFilter
from app.models import AuditEvent, User
from tests import factories
from tests.app.conftest import Browser, Cast


@pytest.fixture
def filled(session: Session, cast: Cast) -> User:
    """Four events of the cast's project: two of Ünal's, one of Hone's, one of somebody named like a formula."""
    person, odd = factories.user(session, name="Ünal"), factories.user(session, name="=1+1")
    factories.member(session, cast.project, person)
    factories.member(session, cast.project, odd)
    for actor, action, details, day in (
        (person, "project.renamed", {"before": "Old", "now": "New name"}, 1),
        (person, "prompts.imported", {"imported": 3}, 2),
        (None, "member.paused", {"user_id": odd.id, "reason": "Missed checks"}, 3),
        (odd, "labels.exported", {"layout": "trl", "format": "csv"}, 3),
    ):
        record(session, actor, action, project_id=cast.project.id, **details)
        session.flush()
        newest = session.query(AuditEvent.id).order_by(AuditEvent.id.desc()).limit(1).scalar_subquery()
        session.execute(
            update(AuditEvent).where(AuditEvent.id == newest).values(at=datetime(2026, 5, day, 23, 30, tzinfo=UTC))
        )
    return person


def actions(session: Session, cast: Cast, **chosen: Any) -> list[str]:
    found = trail.find(session, cast.project.id, EventFilter(**chosen))
    return [told.action for told in found.items]


def test_events_are_found_by_person_day_kind_and_words(session: Session, cast: Cast, filled: User) -> None:
    assert len(actions(session, cast)) >= 4
    assert actions(session, cast, person=filled.id) == ["prompts.imported", "project.renamed"]
    assert actions(session, cast, automatic=True) == ["member.paused"]
    assert actions(session, cast, since="2026-05-02", until="2026-05-02") == ["prompts.imported"]
    assert actions(session, cast, action="member.") == ["member.paused"]
    assert actions(session, cast, q="NAME renamed") == ["project.renamed"]  # words of the sentence, in any order
    assert actions(session, cast, q="ünal", until="2026-05-01") == ["project.renamed"]
    assert actions(session, cast, q="nobody has done this") == []


def test_a_day_is_the_readers(session: Session, cast: Cast, filled: User) -> None:
    from zoneinfo import ZoneInfo

    chosen = EventFilter(since="2026-05-02", until="2026-05-02")  # 23:30 UTC on the 1st is 01:30 there
    found = trail.find(session, cast.project.id, chosen, ZoneInfo("Europe/Berlin"))
    assert [told.action for told in found.items] == ["project.renamed"]


def test_a_search_goes_on_where_it_stopped(
    session: Session, cast: Cast, filled: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "BATCH", 2)
    monkeypatch.setattr(trail, "MOST_LOOKED", 2)
    first = trail.find(session, cast.project.id, EventFilter(q="ünal renamed"))
    assert (list(first.items), first.before is not None) == ([], True)
    found = trail.find(session, cast.project.id, EventFilter(q="ünal renamed", before=first.before))
    assert [told.action for told in found.items] == ["project.renamed"]
    monkeypatch.setattr(trail, "MOST_LOOKED", 100)
    one = trail.find(session, cast.project.id, EventFilter(q="ünal", limit=1))
    assert [told.action for told in one.items] == ["prompts.imported"]
    rest = trail.find(session, cast.project.id, EventFilter(q="ünal", limit=1, before=one.before))
    assert [told.action for told in rest.items] == ["project.renamed"]


def test_page_file_and_api_take_the_same_filter(as_: Callable[[str], Browser], cast: Cast, filled: User) -> None:
    manager, here = as_("manager"), f"/projects/{cast.project.id}/audit"
    page = manager.get(f"{here}?q=renamed&person={filled.id}&action=&since=&until=").text
    assert "Ünal renamed the project from Old to New name" in page
    assert "imported" not in page.split("</form>")[-1]
    assert 'value="renamed"' in page  # what was asked for stays in the form
    lines = list(csv.reader(manager.get(f"{here}.csv?since=2026-05-01&until=2026-05-03").text.splitlines()))
    assert [line[3] for line in lines[1:]] == [
        "labels.exported",
        "member.paused",
        "prompts.imported",
        "project.renamed",
    ]
    assert lines[1][1] == "'=1+1"
    assert lines[2][1] == "Hone"
    told = manager.get(f"/api/v1{here}?q=renamed").json()["items"]
    assert [each["action"] for each in told] == ["project.renamed"]
    for nonsense in ("since=yesterday", "person=x", f"q={'a' * 201}", "action=" + "b" * 65):
        assert manager.get(f"{here}?{nonsense}").status_code == 422
    assert "No entry fits this filter" in manager.get(f"{here}?q=😀 عربي").text
    assert as_("annotator").get(f"{here}.csv").status_code == 403
    assert as_("admin").get("/system?q=renamed").status_code == 200
    assert "project.renamed" in as_("admin").get("/system/audit.csv").text
    assert as_("manager").get("/system/audit.csv").status_code == 403
