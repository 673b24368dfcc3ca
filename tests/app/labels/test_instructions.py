"""Labels name the version of the guidelines and questions that their person had before them."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.exports.export import Export
from app.models.export_settings import ExportSettings
from app.projects import service
from tests.app.conftest import Browser, Cast
from tests.app.labels.conftest import AddItems
from tests.app.labels.test_fast_path_route import fetched  # noqa: F401  a fixture
from tests.app.labels.test_pages import assignment_in, labels_of, opened
from tests.asking import asking

As = Callable[[str], Browser]


@pytest.fixture(autouse=True)
def first(session: Session, cast: Cast, add_items: AddItems) -> None:
    """Version 1, and items to label."""
    service.change_guidelines(session, cast.project, cast.manager, "Be kind.")
    add_items(cast.project, 5)


def versions(session: Session, cast: Cast) -> list[int | None]:
    session.expire_all()
    return [each.instructions and each.instructions.number for each in labels_of(session, cast.project)]


def change(session: Session, cast: Cast, words: str = "Be kinder.") -> None:
    service.change_guidelines(session, cast.project, cast.manager, words)
    session.flush()


def send(browser: Browser, cast: Cast, assignment: str, *, htmx: bool = True, **fields: str) -> Any:
    values = {"assignment_id": assignment, "answer": "left"} | fields
    return browser.submit(f"/projects/{cast.project.id}/label", htmx=htmx, **values)


def test_the_page_sends_the_version_that_it_shows_and_the_fast_path_keeps_it(
    session: Session,
    cast: Cast,
    as_: As,
    fetched: list[Any],  # noqa: F811
) -> None:
    browser = as_("annotator")
    page = browser.get(f"/projects/{cast.project.id}/label").text
    assert '<input type="hidden" name="instructions" value="1">' in page
    assert 'data-instructions="1"' in page
    assert 'data-version="1"' in page
    send(browser, cast, assignment_in(page), instructions="1")
    assert fetched[0] is not None
    assert versions(session, cast) == [1]


def test_an_answer_of_an_older_page_names_the_older_version_and_brings_the_new_one(
    session: Session,
    cast: Cast,
    as_: As,
    fetched: list[Any],  # noqa: F811
) -> None:
    browser = as_("annotator")
    shown = opened(browser, cast)
    change(session, cast)
    old = send(browser, cast, shown, instructions="1")
    assert 'data-instructions="2"' in old.text
    assert versions(session, cast) == [1]
    shown = assignment_in(old.text)
    change(session, cast, "Be kindest.")
    browser.get(f"/projects/{cast.project.id}/label")  # in another tab: what is remembered is of the new version
    older = send(browser, cast, shown, instructions="2")
    assert fetched == [None], "the second was not tried: it was not of the version remembered"
    send(browser, cast, assignment_in(older.text), instructions="3")
    assert fetched[-1] is not None
    assert versions(session, cast) == [1, 2, 3]
    panel = browser.get(f"/projects/{cast.project.id}/label/guidelines").text
    assert 'data-version="3"' in panel
    assert "Be kindest." in panel


def test_without_a_script_a_sentence_says_that_they_changed(session: Session, cast: Cast, as_: As) -> None:
    browser = as_("annotator")
    shown = opened(browser, cast)
    change(session, cast)
    assert send(browser, cast, shown, htmx=False, instructions="1").status_code == 303
    page = browser.get(f"/projects/{cast.project.id}/label").text
    assert "have changed since: please read them again" in page
    assert send(browser, cast, assignment_in(page), htmx=False, instructions="2").status_code == 303
    assert "have changed since" not in browser.get(f"/projects/{cast.project.id}/label").text
    assert versions(session, cast) == [1, 2]


def test_settings_that_changed_under_an_open_page_renew_it_and_keep_what_was_entered(
    session: Session, cast: Cast, as_: As
) -> None:
    cast.project.answer = asking(levels=3, reasons=["Short"])
    session.flush()
    browser = as_("annotator")
    shown = opened(browser, cast)
    reason = cast.project.answer.reasons[0].id
    service.change_settings(session, cast.project, cast.manager, "answer", asking(reasons=["Short"]))
    session.flush()
    entered = {"answer": "left-3", "reasons": reason, "comment": "as I said", "instructions": "1"}
    sent = send(browser, cast, shown, **entered)
    assert sent.status_code == 422
    assert assignment_in(sent.text) == shown
    assert "This project asks only which answer is better" in sent.text
    assert 'name="instructions" value="2"' in sent.text
    assert ">as I said</textarea>" in sent.text
    assert re.search(rf'value="{reason}" data-reason="." checked', sent.text)
    assert 'value="left-3"' not in sent.text
    assert versions(session, cast) == []
    assert send(browser, cast, shown, answer="left", comment="as I said", instructions="2").status_code == 200
    assert versions(session, cast) == [2]
    wrong = send(browser, cast, assignment_in(browser.get(f"/projects/{cast.project.id}/label").text), answer="left-3")
    assert wrong.status_code == 422
    assert "<section" not in wrong.text, "the page is as it was: the sentence stands beside what was typed"


def test_the_api_tells_the_version_and_takes_the_one_that_was_shown(session: Session, cast: Cast, as_: As) -> None:
    browser = as_("annotator")
    headers = browser.bearer(cast.annotator)
    url = f"/api/v1/projects/{cast.project.id}/label"
    task = browser.post(f"{url}/next", headers=headers).json()["task"]
    assert task["instructions"] == 1
    change(session, cast)
    body = {"assignment_id": task["assignment_id"], "answer": "left", "instructions": 9}
    refused = browser.post(url, json=body, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["detail"] == "This project has no version 9 of its guidelines and questions."
    assert versions(session, cast) == []
    following = browser.post(url, json=body | {"instructions": 1}, headers=headers).json()["next"]
    assert following["instructions"] == 2
    browser.post(url, json={"assignment_id": following["assignment_id"], "answer": "left"}, headers=headers)
    assert versions(session, cast) == [1, 2]
    mine = browser.get(f"{url}s/mine", headers=headers).json()["items"]
    assert [label["instructions"] for label in mine] == [2, 1]
    rows = [json.loads(line) for line in b"".join(Export(cast.project, ExportSettings()).pieces(session)).splitlines()]
    assert [row["instructions"] for row in rows] == [1, 2]


def test_the_same_answer_again_stays_one_label_and_a_revision_names_its_own_version(
    session: Session, cast: Cast, as_: As
) -> None:
    browser = as_("annotator")
    shown = opened(browser, cast)
    send(browser, cast, shown, instructions="1")
    change(session, cast)
    send(browser, cast, shown, instructions="2")
    assert versions(session, cast) == [1]
    send(browser, cast, shown, answer="right", instructions="2")
    assert versions(session, cast) == [1, 2]
    item = labels_of(session, cast.project)[0].item_id
    history = browser.get(f"/projects/{cast.project.id}/labels/mine/{item}").text
    assert history.index("instructions/2") < history.index("instructions/1")
    assert "given under" in history
    assert "instructions/2" in as_("manager").get(f"/projects/{cast.project.id}/items/{item}").text


def test_labels_from_before_there_were_versions_say_nothing_of_one(session: Session, cast: Cast, as_: As) -> None:
    browser = as_("annotator")
    shown = opened(browser, cast)
    send(browser, cast, shown)
    (label,) = labels_of(session, cast.project)
    label.instructions_id = None
    session.flush()
    assert "iven under" not in browser.get(f"/projects/{cast.project.id}/labels/mine/{label.item_id}").text
