"""The forms of every page, as found in the pages themselves, and what can be sent with them."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from json import dumps
from typing import Any

import redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.web.csrf import FIELD
from tests.app.conftest import Browser

TYPED = {"text", "search", "email", "url", "textarea", "number", "password"}
KEPT = {"text", "search", "email", "url", "textarea"}  # what a browser shows again; a password never is
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
        self.area: tuple[Form, str] | None = None
        self.select, self.options = "", 0  # of the select so far

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
        if tag == "option" and self.form is not None and self.select in self.form.fields:
            if "selected" in given or not self.options:
                self.form.fields[self.select] = ("select", given.get("value", ""))
            self.options += 1
        if of is None or not name or "disabled" in given:
            return
        if tag == "input":
            kind = given.get("type", "text") if "readonly" not in given else "hidden"
            of.files |= kind == "file"
            if kind not in ("checkbox", "radio") or "checked" in given or name not in of.fields:
                of.fields[name] = (kind, given.get("value", ""))
        elif tag == "textarea":
            of.fields[name], self.area = ("textarea", ""), (of, name)
        elif tag == "select":
            of.fields[name], self.select = ("select", ""), name
            self.options = 0
        elif tag == "button":
            of.fields[name] = ("button", given.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self.area is not None:
            form, name = self.area
            form.fields[name] = ("textarea", form.fields[name][1] + data.removeprefix("\n"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        elif tag == "textarea":
            self.area = None


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """What happens within is taken back, also what requests commit; and so is what is counted against their rates."""
    session.commit()
    point = session.get_bind().begin_nested()  # type: ignore[union-attr]  a connection, in tests
    try:
        yield
    finally:
        session.rollback()
        point.rollback()
        session.expire_all()
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as counted:
            counted.flushall()


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


def filled_in(form: Form, words: str, more: int = 0) -> list[dict[str, str]]:
    """What a browser sends where a person has written these words in each field, and a number that is larger by so
    much; then what it sends where that is done in one of the first fields only."""
    usual = {
        "email": f"{words.split()[-1]}@example.org",
        "url": "https://example.org/v1",
        "password": "a long enough one",
    }
    as_it_is, written = {}, {}
    for name, (kind, value) in form.fields.items():
        if name == FIELD or kind == "file":
            continue
        as_it_is[name] = value or usual.get(kind, "")
        if kind in ("text", "search", "textarea"):
            written[name] = words
        elif kind == "number" and value.isdigit():
            written[name] = str(int(value) + more)
    return [as_it_is | written, *(as_it_is | {name: written[name]} for name in list(written)[:3])]


def brought(form: Form, words: str) -> dict[str, tuple[str, bytes]] | None:
    """A file for each field of one."""
    lines = dumps({"prompt": words}).encode()
    return {name: ("prompts.jsonl", lines) for name, (kind, _) in form.fields.items() if kind == "file"} or None


def same_form(page: str, html: str, form: Form) -> Form | None:
    """The form as a page has it now."""
    reader = Forms(page)
    reader.feed(html)
    return next((each for each in reader.found if each.kind == form.kind and each.action == form.action), None)
