"""Every form of every page, sent twice: by a double click, which does nothing twice, and from two tabs, where the
second is told what changed meanwhile. Files that are chosen count too."""

import re
from html import unescape
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import task_session
from app.models import Member, Project, Role
from app.web import csrf, sent_once
from app.web.signing import digest
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.app.page_forms import KEPT, Form, brought, filled_in, forms, same_form, state, undone
from tests.browser.filled import Filled, fill

SAYS_WHY = re.compile('class="error"|role="alert"|class="notice|Error 4')


@pytest.fixture
def filled(session: Session, client: Browser) -> Filled:
    return fill(session)


def press(
    browser: Browser, form: Form, words: str, more: int = 0, way: int | None = None
) -> tuple[Any, dict[str, str], int]:
    """Send the form, in the first way in which it is taken, or in this one: the answer, what was sent, and the way."""
    for number, values in enumerate(filled_in(form, words, more)):
        if way in (None, number):
            answer = browser.submit(form.action, files=brought(form, words), **values)
            if answer.status_code < 400 or way is not None:
                break
    return answer, values, number


@pytest.mark.parametrize("who", ["manager", "annotator"])
def test_a_double_click_does_nothing_twice(session: Session, client: Browser, filled: Filled, who: str) -> None:
    browser = client.sign_in(getattr(filled, who))
    made, faults = 0, []
    for form in forms(session, browser, filled.places[who]):
        with undone(session):
            shown = same_form(form.page, browser.get(form.page).text, form) or form
            before = state(session)
            first, _, way = press(browser, shown, "Written once")
            once = state(session)
            second, _, _ = press(browser, shown, "Written once", way=way)
            twice = state(session)
        made += once != before
        if first.status_code >= 500 or second.status_code >= 500:
            faults.append(f"{form.action}: {first.status_code}, {second.status_code}")
        if twice != once and first.status_code < 400:  # that an answer was refused is noted each time
            faults.append(f"{form.action} on {form.page}: {[b - a for a, b in zip(once, twice, strict=True)]} twice")
        there = first.headers.get("location")
        if there != second.headers.get("location") and not (second.status_code == 409 and SAYS_WHY.search(second.text)):
            faults.append(f"{form.action}: {second.status_code}, and first {there}")
    assert made >= (20 if who == "manager" else 2)
    assert not faults, "\n".join(faults)


def told(answer: Any, form: Form, typed: dict[str, str]) -> bool:
    """Whether a refusal says why and keeps what was typed."""
    kept = [typed[name] for name, (kind, _) in form.fields.items() if kind in KEPT and len(typed[name].split()) > 1]
    return bool(SAYS_WHY.search(answer.text)) and all(text in unescape(answer.text) for text in kept)


@pytest.mark.parametrize("who", ["manager", "annotator"])
def test_in_two_tabs_the_second_is_told_or_does_no_harm(
    session: Session, client: Browser, filled: Filled, who: str
) -> None:
    browser = client.sign_in(getattr(filled, who))
    changes, faults = set(), []
    for form in forms(session, browser, filled.places[who]):
        if not any(kind in KEPT | {"number"} for kind, _ in form.fields.values()):
            continue  # a button alone, which the double click is about
        with undone(session):
            tabs = [same_form(form.page, browser.get(form.page).text, form) for _ in "ab"]
            if tabs[0] is None or tabs[1] is None:  # a mere look has taken it away
                continue
            first, mine, way = press(browser, tabs[0], "From one tab", 1)
            if first.status_code >= 400:
                continue
            now = same_form(form.page, browser.get(form.page).text, form)
            second, theirs, _ = press(browser, tabs[1], "From another tab", 2, way)
            where = f"{form.action} on {form.page}: {second.status_code}"
            if second.status_code >= 500 or (second.status_code >= 400 and not told(second, form, theirs)):
                faults.append(where)
            if now is None or not any(
                now.fields[name][1] == mine[name] != form.fields[name][1]
                for name, (kind, _) in form.fields.items()
                if kind in KEPT | {"number"}
            ):
                continue  # it makes something, where others change what there is
            changes.add(form.action.rpartition("/")[2])
            if second.status_code != 409 or "since you opened the page" not in second.text:
                faults.append(f"{where}, and the first one's values are gone unseen")
                continue
            again = same_form(form.page, second.text, form)
            if again is None or press(browser, again, "From another tab", 0, way)[0].status_code != 303:
                faults.append(f"{where}, and it cannot be sent knowingly")
    assert not faults, "\n".join(faults)
    if who == "manager":
        assert changes >= {
            "account",
            "words",
            "name",
            "guidelines",
            "plan",
            "ranking",
            "queue",
            "sampling",
            "automation",
        }, changes


def test_an_answer_that_is_a_page_is_not_given_twice(client: Browser, cast: Cast) -> None:
    """It holds a secret, which is kept nowhere."""
    form = {sent_once.FIELD: "one", "role": "annotator", "note": "For Grace"}
    address = f"/projects/{cast.project.id}/invitations"
    manager = client.sign_in(cast.manager)
    first, second, other = (manager.submit(address, **form | more) for more in ({}, {}, {sent_once.FIELD: "two"}))
    assert [first.status_code, second.status_code, other.status_code] == [201, 409, 201]
    assert "carried out already" in second.text


def test_what_was_refused_may_be_sent_again(client: Browser, cast: Cast) -> None:
    manager, address = client.sign_in(cast.manager), f"/projects/{cast.project.id}/settings/name"
    for _ in "ab":
        assert manager.submit(address, **{sent_once.FIELD: "one", "name": ""}).status_code == 422
    assert manager.submit(address, **{sent_once.FIELD: "one", "name": "A name"}).status_code == 303


def test_a_refused_form_can_be_mended_where_it_is_refused(client: Browser, cast: Cast, session: Session) -> None:
    """With what was typed, the sentence beside the field, and a way back, where the page itself is not shown again."""
    reward = factories.model(session, cast.project, name="Reward")
    address = f"/projects/{cast.project.id}/models/{reward.id}"
    client.sign_in(cast.manager)
    refused = client.post(
        f"/projects/{cast.project.id}/flags",
        data={csrf.FIELD: client.csrf(), "assignment_id": "none", "message": "Two words"},
        headers={"referer": f"http://localhost{address}?x=1"},
    )
    assert refused.status_code == 422
    names = (csrf.FIELD, sent_once.FIELD, "assignment_id", "message")
    form = Form("", "post", f"/projects/{cast.project.id}/flags", dict.fromkeys(names, ("", "")))
    assert same_form("", refused.text, form) is not None
    assert "Two words" in refused.text
    assert 'aria-invalid="true"' in refused.text
    assert f'href="{address}?x=1"' in refused.text
    button = {"data": {csrf.FIELD: client.csrf()}, "headers": {"referer": f"http://localhost{address}"}}
    back = client.post(f"/projects/{cast.project.id}/prompts/withdraw", **button)
    assert (back.status_code, back.headers["location"]) == (303, address)  # nothing to mend: its page says why
    assert "Mark at least one row first." in client.get(f"/projects/{cast.project.id}/prompts").text
    elsewhere = client.post(
        f"/projects/{cast.project.id}/flags",
        data={csrf.FIELD: client.csrf()}, headers={"referer": "http://elsewhere.example/"},
    )  # fmt: skip
    assert "elsewhere" not in elsewhere.text


def test_two_presses_at_one_moment_are_one(database: str) -> None:
    """Over real connections: the second waits for the first, and is sent to the same place."""
    from tests.web_server import web_server

    with task_session() as session:
        user = factories.user(session)
        source = factories.project(session, name="Source")
        factories.member(session, source, user, Role.MANAGER)
        factories.web_session(session, user, token_hash=digest("a session"))
    answers, barrier = [], Barrier(2)
    with web_server() as server:

        def press() -> None:
            with httpx.Client(base_url=server.url, cookies={csrf.SESSION_COOKIE: "a session"}) as browser:
                fields = {
                    csrf.FIELD: csrf.token_of("a session"),
                    sent_once.FIELD: "one",
                    "name": "Copy",
                    "settings": "true",
                }
                barrier.wait()
                answers.append(browser.post(f"/projects/{source.id}/clone", data=fields))

        presses = [Thread(target=press) for _ in "ab"]
        for each in presses:
            each.start()
        for each in presses:
            each.join()
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({answer.headers["location"] for answer in answers}) == 1
    with task_session() as session:
        assert session.scalar(select(func.count()).select_from(Project)) == 2
        assert session.scalar(select(func.count()).select_from(Member)) == 2
