"""Skipping with a reason: never asked for, kept where it is given, and read by managers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.labels import leases, service
from app.labels.task import Task
from app.projects import service as projects
from app.web.errors import Invalid
from tests.app.conftest import Browser, Cast
from tests.app.labels.conftest import AddItems, said
from tests.app.labels.test_pages import assignment_in, labels_of, opened
from tests.asking import asking

As = Callable[[str], Browser]


@pytest.fixture(autouse=True)
def reasons(session: Session, cast: Cast, add_items: AddItems) -> list[str]:
    """The ids of the project's two reasons to skip; there are items."""
    add_items(cast.project, 4)
    asked = asking(reasons=["Broken"], skip_reasons=["I cannot judge this", "Broken"])
    projects.change_settings(session, cast.project, cast.manager, "answer", asked)
    session.flush()
    return [reason.id for reason in cast.project.answer.skip_reasons]


def held(session: Session, cast: Cast) -> Task:
    task = leases.claim_item(session, cast.project, cast.annotator)
    assert task is not None
    return task


def skipped(session: Session) -> list[tuple[str, str | None, str | None]]:
    session.expire_all()
    rows = session.scalars(select(m.Assignment).order_by(m.Assignment.id)).all()
    return [(row.state.value, row.skip_reason, row.skip_note) for row in rows]


def test_the_page_skips_with_one_press_and_with_a_reason(
    session: Session, cast: Cast, as_: As, reasons: list[str]
) -> None:
    browser, url = as_("annotator"), f"/projects/{cast.project.id}/label"
    page = browser.get(url).text
    assert page.count('name="reason" value=') == 2
    assert "I cannot judge this" in page
    shown = assignment_in(page)
    shown = assignment_in(browser.submit(f"{url}/skip", htmx=True, assignment_id=shown).text)
    given = {"reason": reasons[1], "note": "  The prompt is cut.  "}
    assert browser.submit(f"{url}/skip", assignment_id=shown, **given).status_code == 303
    browser.submit(f"{url}/skip", assignment_id=opened(browser, cast), note="Not my field.")
    assert skipped(session) == [
        ("skipped", None, None),
        ("skipped", reasons[1], "The prompt is cut."),
        ("skipped", None, "Not my field."),
    ]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": "nothing"}, "no such reason to skip"),
        ({"reason": "x" * 81}, "80"),
        ({"note": "x" * 501}, "500"),
    ],
)
def test_a_reason_that_cannot_be_leaves_the_item_open(
    session: Session, cast: Cast, as_: As, fields: dict[str, str], sentence: str
) -> None:
    browser = as_("annotator")
    shown = opened(browser, cast)
    api = f"/api/v1/projects/{cast.project.id}/label/skip"
    refused = browser.post(api, json={"assignment_id": shown} | fields, headers=browser.bearer(cast.annotator))
    assert refused.status_code == 422
    assert sentence in refused.text
    assert skipped(session) == [("open", None, None)]


def test_managers_see_what_was_skipped_and_why(session: Session, cast: Cast, as_: As, reasons: list[str]) -> None:
    for reason, note in ((reasons[0], ""), (reasons[0], "Too <b>long</b>."), ("", "")):
        leases.skip(session, cast.project, cast.annotator, held(session, cast).id, reason, note)
    session.flush()
    browser, base = as_("manager"), f"/projects/{cast.project.id}"
    quality = browser.get(f"{base}/labels/quality").text
    assert quality.index("I cannot judge this") < quality.index("No reason given")
    listed = browser.get(f"{base}/labels/skips?reason={reasons[0]}").text
    assert listed.count("/items/") == 2
    assert "Too &lt;b&gt;long&lt;/b&gt;." in listed
    assert browser.get(f"{base}/labels/skips?reason=none").text.count("/items/") == 1
    second = session.scalars(select(m.Assignment.item_id).order_by(m.Assignment.id)).all()[1]
    item = browser.get(f"{base}/items/{second}").text
    assert "I cannot judge this: Too &lt;b&gt;long&lt;/b&gt;." in item
    headers, api = browser.bearer(cast.manager), f"/api/v1/projects/{cast.project.id}"
    found = browser.get(f"{api}/labels/quality", headers=headers).json()["skips"]
    assert [(each["reason_id"], each["reason"], each["count"]) for each in found] == [
        (reasons[0], "I cannot judge this", 2), (None, None, 1),
    ]  # fmt: skip
    rows = browser.get(f"{api}/skips?item={second}", headers=headers).json()["items"]
    assert rows == [
        {
            "item_id": second,
            "annotator_id": cast.annotator.id,
            "reason_id": reasons[0],
            "reason": "I cannot judge this",
            "note": "Too <b>long</b>.",
        }
    ]
    assert as_("annotator").get(f"{base}/labels/skips").status_code == 403


def test_a_reason_keeps_its_id_through_other_words_and_is_apart_from_one_to_answer_so(
    session: Session, cast: Cast, as_: As, reasons: list[str]
) -> None:
    (to_answer,) = cast.project.answer.reasons
    assert to_answer.text == cast.project.answer.skip_reasons[1].text
    assert to_answer.id != reasons[1]
    leases.skip(session, cast.project, cast.annotator, held(session, cast).id, reasons[0])
    form = {f"reasons[{to_answer.id}]": "Broken", f"skip_reasons[{reasons[0]}]": "Not my field", "comment": "optional"}
    assert as_("manager").submit(f"/projects/{cast.project.id}/settings/answer", **form).status_code == 303
    session.expire_all()
    assert [(each.id, each.text) for each in cast.project.answer.skip_reasons] == [(reasons[0], "Not my field")]
    assert "Not my field" in as_("manager").get(f"/projects/{cast.project.id}/labels/quality").text
    # Of a page that is older than the settings; of no project at all.
    assert leases.skip(session, cast.project, cast.annotator, held(session, cast).id, reasons[1])
    with pytest.raises(Invalid):
        leases.skip(session, cast.project, cast.annotator, held(session, cast).id, to_answer.id)


def test_taken_up_again_or_answered_it_has_no_reason_any_more(session: Session, cast: Cast, reasons: list[str]) -> None:
    task = held(session, cast)
    leases.skip(session, cast.project, cast.annotator, task.id, reasons[0], "Later.")
    again = leases.take_skipped_again(session, cast.project, cast.annotator)
    assert again is not None
    assert skipped(session) == [("open", None, None)]
    leases.skip(session, cast.project, cast.annotator, again.id, reasons[0], "Later.")
    service.submit(session, cast.project, cast.annotator, None, again.id, said("left"))
    session.flush()
    assert skipped(session) == [("labelled", None, None)]


def test_who_skips_and_comes_back_in_time_is_not_late(session: Session, cast: Cast, reasons: list[str]) -> None:
    in_time = held(session, cast)
    leases.skip(session, cast.project, cast.annotator, in_time.id)
    gone = held(session, cast)
    leases.skip(session, cast.project, cast.annotator, gone.id)
    theirs = leases.claim_item(session, cast.project, cast.manager)  # meanwhile somebody else answers the first
    assert theirs is not None
    service.submit(session, cast.project, cast.manager, None, theirs.id, said("left"))
    taken = {label.item_id for label in labels_of(session, cast.project)}
    expired = held(session, cast)
    leases.skip(session, cast.project, cast.annotator, expired.id)
    session.get_one(m.Assignment, expired.id).expires_at = datetime.now(UTC) - timedelta(seconds=1)
    session.flush()
    for task in (in_time, gone, expired):
        service.submit(session, cast.project, cast.annotator, None, task.id, said("right"))
    mine = {
        label.item_id: label for label in labels_of(session, cast.project) if label.annotator_id == cast.annotator.id
    }
    assert [mine[task.item_id].late for task in (in_time, gone, expired)] == [False, False, True]
    assert {item for item, label in mine.items() if label.surplus} == taken & mine.keys()
