"""Every form of every page, as found in the pages themselves, against what people send by accident and on purpose.

Nothing, nonsense, 200 kB, emoji and right-to-left text; a page that is out of date, a session that has ended. None is a
fault of ours; what is refused says so beside the form, and what was typed is in the page that comes back.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.web.csrf import FIELD, SESSION_COOKIE
from tests.app.conftest import Browser
from tests.browser.filled import Filled, fill

TYPED = {"text", "search", "email", "url", "textarea", "number", "password"}
KEPT = {"text", "search", "email", "url", "textarea"}  # what a browser shows again; a password never is
NONSENSE = "<i>%00 ' \" ; drop"
RIGHT_TO_LEFT = "مرحبا \u202e עולם"
EMOJI = "\U0001f469\u200d\U0001f469\u200d\U0001f466 \U0001f600"
HELD = 'name="file" value="'  # of an import: what was pasted is on the server, under its digest
WORDS = "Words that somebody wrote"
LONG = "x" * 200_000
# Ends a session; and tries an endpoint in transactions of its own, which see nothing of a test's.
LEFT_OUT = re.compile(r"/sign-out|/endpoints/\d+/try")


@dataclass
class Form:
    """A form as a page has it; `fields`: name -> (type, value)."""

    page: str
    method: str
    action: str
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)
    files: bool = False

    @property
    def kind(self) -> tuple[str, tuple[str, ...]]:
        """The same for forms that differ in numbers only."""
        return re.sub(r"\d+", "N", self.action.partition("?")[0]), tuple(sorted(self.fields))


class Forms(HTMLParser):
    """Finds the forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.found, self.by_id = page, [], {}
        self.form: Form | None = None
        self.area = self.select = ""

    found: list[Form]
    by_id: dict[str, Form]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = Form(self.page, given.get("method", "get").lower(), given.get("action") or self.page)
            self.found.append(self.form)
            self.by_id[given.get("id", "")] = self.form
        of = self.by_id.get(given["form"]) if "form" in given else self.form
        name = given.get("name")
        if of is None or not name or "disabled" in given:
            return
        if tag == "input":
            kind = given.get("type", "text") if "readonly" not in given else "hidden"
            of.files |= kind == "file"
            if kind not in ("checkbox", "radio") or "checked" in given or name not in of.fields:
                of.fields[name] = (kind, given.get("value", ""))
        elif tag == "textarea":
            of.fields[name], self.area = ("textarea", ""), name
        elif tag == "select":
            of.fields[name], self.select = ("select", ""), name
        elif tag == "button":
            of.fields[name] = ("button", given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None


@pytest.fixture
def filled(session: Session, client: Browser) -> Filled:
    return fill(session)


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """What happens within is taken back."""
    point = session.begin_nested()
    try:
        yield
    finally:
        session.expire_all()
        if point.is_active:
            point.rollback()


def forms(session: Session, browser: Browser, places: list[str]) -> list[Form]:
    """One of each kind, from these pages."""
    found: dict[Any, Form] = {}
    for place in places:
        with undone(session):
            reader = Forms(place)
            reader.feed(browser.get(place).text)
        for form in reader.found:
            if form.method == "post" and form.action.startswith("/") and not LEFT_OUT.fullmatch(form.action):
                found.setdefault(form.kind, form)
    return list(found.values())


def sent(form: Form, typed: str | None) -> dict[str, str]:
    """What a browser sends where everything that can be typed is this; None: nothing at all."""
    if typed is None:
        return {}
    return {name: typed if kind in TYPED else value for name, (kind, value) in form.fields.items() if name != FIELD}


def state(session: Session) -> list[int]:
    """How many rows there are in each table that people change."""
    session.flush()
    tables = "project member invitation prompt item label run model conversation turn flag api_token audit_event"
    counts = ", ".join(f'(select count(*) from "{table}")' for table in tables.split())
    return list(session.execute(text(f"select {counts}")).one())


@pytest.mark.parametrize("who", ["manager", "annotator"])
def test_no_form_breaks_and_what_was_typed_is_kept(session: Session, client: Browser, filled: Filled, who: str) -> None:
    browser = client.sign_in(getattr(filled, who))
    found = forms(session, browser, filled.places[who])
    assert len(found) > (40 if who == "manager" else 3)
    faults = []
    for form in found:
        for case, typed in (("nothing", None), ("nonsense", NONSENSE), ("200 kB", LONG), ("emoji", EMOJI),
                            ("right to left", RIGHT_TO_LEFT)):  # fmt: skip
            with undone(session):
                answer = browser.submit(form.action, **sent(form, typed))
            where = f"{case} to {form.action} on {form.page}"
            if answer.status_code >= 500:
                faults.append(f"{where}: {answer.status_code}")
            kept = [name for name, (kind, _) in form.fields.items() if kind in KEPT]
            held = typed in unescape(answer.text) or HELD in answer.text if typed else True
            if answer.status_code == 422 and kept and not held:
                faults.append(f"{where}: what was typed is gone")
            if answer.status_code == 422 and not re.search(
                'class="error"|role="alert"|class="notice|Error 422', answer.text
            ):
                faults.append(f"{where}: nothing says why")
    assert not faults, "\n".join(faults)


def test_a_stale_page_and_an_ended_session_change_nothing(session: Session, client: Browser, filled: Filled) -> None:
    browser = client.sign_in(filled.manager)
    found = forms(session, browser, filled.places["manager"])
    before, cookie, faults = state(session), browser.cookies[SESSION_COOKIE], []
    for form in found:
        fields = sent(form, WORDS)
        stale = browser.post(form.action, data={**fields, FIELD: "0" * 64})
        browser.cookies.clear()
        ended = browser.submit(form.action, **fields)
        browser.cookies.set(SESSION_COOKIE, cookie, domain="localhost.local", path="/")
        prose = [name for name, (kind, _) in form.fields.items() if kind in KEPT and name != FIELD]
        if stale.status_code != 403 or "out of date" not in stale.text or (prose and WORDS not in stale.text):
            faults.append(f"a stale page to {form.action}: {stale.status_code}")
        if ended.status_code != 401:
            faults.append(f"an ended session to {form.action}: {ended.status_code}")
    assert not faults, "\n".join(faults)
    assert state(session) == before
