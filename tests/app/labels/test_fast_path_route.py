"""The fast path through the page's route: what it answers by itself, and what the route answers as it always did."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import TextClause, select
from sqlalchemy.orm import Session

from app import async_db
from app import models as m
from app.accounts import sessions
from app.items import service as items
from app.labels import fast_path, leases
from tests.app.conftest import Browser, Cast
from tests.app.labels.conftest import AddItems
from tests.app.labels.test_pages import assignment_in, labels_of, opened
from tests.asking import asking

As = Callable[[str], Browser]


@pytest.fixture
def fetched(client: Browser, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each statement of the fast path gave, in their order."""
    found: list[Any] = []
    fetch_one = async_db.fetch_one

    async def noting(statement: TextClause, values: Mapping[str, Any]) -> Any:
        found.append(await fetch_one(statement, values))
        return found[-1]

    monkeypatch.setattr(async_db, "fetch_one", noting)
    return found


def send(browser: Browser, cast: Cast, assignment: str, answer: str = "left", **fields: Any) -> Any:
    url = f"/projects/{cast.project.id}/label"
    return browser.submit(url, htmx=True, assignment_id=assignment, answer=answer, **fields)


def test_the_page_goes_by_it_from_the_first_answer_on(
    session: Session, cast: Cast, as_: As, add_items: AddItems, fetched: list[Any]
) -> None:
    add_items(cast.project, 4)
    browser = as_("annotator")
    shown = opened(browser, cast)
    for number in (1, 2, 3):
        sent = send(browser, cast, shown, seconds="2")
        assert sent.status_code == 200
        assert sent.text.lstrip().startswith("<section")
        assert f'id="today">{number}<' in sent.text
        assert len(fetched) == number
        assert fetched[-1].label_id == labels_of(session, cast.project)[-1].id
        shown = assignment_in(sent.text)
    last = send(browser, cast, shown)
    assert "All done for now" in last.text
    assert 'id="today">4<' in last.text
    assert ">4 of 4" in last.text
    assert len(labels_of(session, cast.project)) == 4


def test_a_next_item_whose_html_is_out_of_date_is_rendered(
    session: Session, cast: Cast, as_: As, add_items: AddItems, fetched: list[Any]
) -> None:
    for item in add_items(cast.project, 3):
        for number in (item.responses[0].id, item.responses[1].id):
            response = session.get_one(m.Response, number)
            response.text, response.html, response.html_by = "**bold**", "<p>old</p>", "an older version"
    browser = as_("annotator")
    sent = send(browser, cast, opened(browser, cast))
    assert fetched[0] is not None
    assert sent.text.count("<strong>bold</strong>") == 2
    assert "old</p>" not in sent.text


def test_an_answer_sent_twice_is_one_label_and_one_lease(
    session: Session, cast: Cast, as_: As, add_items: AddItems, fetched: list[Any]
) -> None:
    add_items(cast.project, 3)
    browser = as_("annotator")
    shown = opened(browser, cast)
    first, again = (send(browser, cast, shown) for _ in range(2))
    assert [row is None for row in fetched] == [False, True]
    assert assignment_in(first.text) == assignment_in(again.text)
    assert len(labels_of(session, cast.project)) == 1


def test_what_is_remembered_lapses_so_that_the_use_of_a_session_is_noted(
    session: Session, cast: Cast, as_: As, add_items: AddItems, fetched: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_items(cast.project, 4)
    browser = as_("annotator")
    send(browser, cast, opened(browser, cast))
    assert len(fetched) == 1
    monkeypatch.setattr(fast_path, "_LASTS", 0.0)
    fast_path._standings.clear()
    shown = opened(browser, cast)
    row = session.scalars(select(m.WebSession).where(m.WebSession.user_id == cast.annotator.id)).one()
    row.last_used_at = None
    session.flush()
    sessions._noted.clear()
    send(browser, cast, shown)
    assert len(fetched) == 1  # by the route
    session.refresh(row)
    assert row.last_used_at is not None
    assert len(labels_of(session, cast.project)) == 2


def _end_session(session: Session, cast: Cast) -> None:
    for each in session.scalars(select(m.WebSession).where(m.WebSession.user_id == cast.annotator.id)):
        each.expires_at = datetime.now(UTC) - timedelta(seconds=1)


def _sign_out(session: Session, cast: Cast) -> None:
    for each in session.scalars(select(m.WebSession).where(m.WebSession.user_id == cast.annotator.id)):
        session.delete(each)


def _disable(session: Session, cast: Cast) -> None:
    cast.annotator.disabled_at = datetime.now(UTC)


def _member(session: Session, cast: Cast) -> m.Member:
    return session.get_one(m.Member, (cast.project.id, cast.annotator.id))


def _remove(session: Session, cast: Cast) -> None:
    _member(session, cast).removed_at = datetime.now(UTC)


def _pause(session: Session, cast: Cast) -> None:
    _member(session, cast).paused_at = datetime.now(UTC)


def _archive(session: Session, cast: Cast) -> None:
    cast.project.archived_at = datetime.now(UTC)


def _other_scale(session: Session, cast: Cast) -> None:
    cast.project.answer = asking(levels=3)


def _withdraw(session: Session, cast: Cast) -> None:
    ids = session.scalars(select(m.Item.id).where(m.Item.project_id == cast.project.id)).all()
    items.withdraw_items(session, cast.project, cast.manager, list(ids))


@pytest.mark.parametrize(
    ("change", "status", "labels"),
    [
        (_end_session, 401, 0),
        (_sign_out, 401, 0),
        (_disable, 401, 0),
        (_remove, 404, 0),
        (_pause, 200, 1),
        (_archive, 409, 0),
        (_other_scale, 422, 0),
        (_withdraw, 409, 0),
    ],
)
def test_what_changed_since_the_last_answer_counts_for_the_next(
    session: Session,
    cast: Cast,
    as_: As,
    add_items: AddItems,
    fetched: list[Any],
    change: Callable[[Session, Cast], None],
    status: int,
    labels: int,
) -> None:
    """The statement gives nothing, and the route says what it would have said to anybody."""
    add_items(cast.project, 3)
    browser = as_("annotator")
    shown = assignment_in(send(browser, cast, opened(browser, cast)).text)
    assert fetched.pop() is not None
    before = len(labels_of(session, cast.project))
    change(session, cast)
    session.flush()
    sent = send(browser, cast, shown)
    assert fetched == [None]
    assert sent.status_code == status
    assert len(labels_of(session, cast.project)) == before + labels
    open_leases = select(m.Assignment).where(m.Assignment.state == m.AssignmentState.OPEN)
    assert len(session.scalars(open_leases).all()) == int(not labels and change is not _withdraw)


def test_a_changed_project_is_remembered_anew(
    session: Session, cast: Cast, as_: As, add_items: AddItems, fetched: list[Any]
) -> None:
    add_items(cast.project, 4)
    browser = as_("annotator")
    shown = assignment_in(send(browser, cast, opened(browser, cast)).text)
    cast.project.answer = asking(levels=3)
    session.flush()
    shown = assignment_in(send(browser, cast, shown, "right-3").text)
    send(browser, cast, shown, "left-2")
    assert [row is None for row in fetched] == [False, False], "the second was no answer on the scale remembered"
    assert [stated.strength for label in labels_of(session, cast.project) for stated in label.preferences] == [
        None,
        3,
        2,
    ]


@pytest.mark.parametrize("project", ["9" * 5000, "0", "-1", "x", "٣", "1.0"])
def test_a_project_that_cannot_be_is_none(as_: As, project: str) -> None:
    sent = as_("annotator").submit(f"/projects/{project}/label", htmx=True, assignment_id="1", answer="left")
    assert sent.status_code == 404


def test_somebody_elses_item_is_not_answered(
    session: Session, cast: Cast, as_: As, add_items: AddItems, fetched: list[Any]
) -> None:
    add_items(cast.project, 3)
    theirs = leases.claim_item(session, cast.project, cast.manager)
    assert theirs is not None
    browser = as_("annotator")
    opened(browser, cast)
    assert send(browser, cast, str(theirs.id)).status_code == 404
    assert fetched == [None]
    assert labels_of(session, cast.project) == []


def test_a_forged_request_is_refused(
    session: Session, cast: Cast, as_: As, add_items: AddItems, fetched: list[Any]
) -> None:
    add_items(cast.project, 2)
    browser = as_("annotator")
    form = {"assignment_id": opened(browser, cast), "answer": "left", "csrf_token": "forged"}
    url, htmx = f"/projects/{cast.project.id}/label", {"HX-Request": "true"}
    assert browser.post(url, data=form, headers=htmx).status_code == 403
    form["csrf_token"] = browser.csrf()
    assert browser.post(url, data=form, headers=htmx | {"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert fetched == []
    assert labels_of(session, cast.project) == []


def test_an_answer_whose_connection_broke_is_saved_once(
    session: Session, cast: Cast, as_: As, add_items: AddItems, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_items(cast.project, 3)
    browser = as_("annotator")
    shown = opened(browser, cast)
    fetch_one = async_db.fetch_one

    async def breaking(statement: TextClause, values: Mapping[str, Any]) -> Any:
        assert await fetch_one(statement, values) is not None
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(async_db, "fetch_one", breaking)
    sent = send(browser, cast, shown)
    assert sent.status_code == 200
    assert assignment_in(sent.text) != shown
    assert len(labels_of(session, cast.project)) == 1


def test_what_is_remembered_does_not_grow_without_end(
    cast: Cast, as_: As, add_items: AddItems, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_items(cast.project, 3)
    monkeypatch.setattr(fast_path, "_REMEMBERED", 2)
    for who in ("annotator", "manager", "annotator"):
        opened(as_(who), cast)
        assert len(fast_path._standings) <= 2
