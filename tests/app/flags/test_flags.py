"""Flags: raised by whoever the item was put before, read by them and the managers, closed once."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.erasing import person
from app.labels import leases
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def held(session: Session, cast: Cast) -> m.Assignment:
    """An item before the annotator."""
    prompt = factories.prompt(session, cast.project, "Why is the sky blue?")
    item = factories.item(session, prompt, cast.project.base_model)
    task = leases.claim_item(session, cast.project, cast.annotator)
    assert task is not None
    assert task.item_id == item.id
    return session.get_one(m.Assignment, task.id)


def address(cast: Cast, more: str = "") -> str:
    return f"/projects/{cast.project.id}/flags{more}"


def told(session: Session) -> list[tuple[bool, list[tuple[int, str]]]]:
    """Each flag: whether it is open, and its thread."""
    session.expire_all()
    flags = session.scalars(select(m.Flag).order_by(m.Flag.id))
    return [(flag.closed_at is None, [(each.author_id, each.text) for each in flag.messages]) for flag in flags]


def test_an_annotator_asks_a_manager_answers_and_closes(
    session: Session, cast: Cast, as_: As, held: m.Assignment
) -> None:
    browser = as_("annotator")
    text = "  Both answers are in Welsh.\n<b>I read none</b> of it. 🏴󠁧󠁢󠁷󠁬󠁳󠁿 مرحبا "
    sent = browser.submit(address(cast), assignment_id=held.id, message=text)
    assert (sent.status_code, sent.headers["location"]) == (
        303,
        f"/projects/{cast.project.id}/label?assignment={held.id}",
    )
    assert browser.submit(address(cast), assignment_id=held.id, message=text).status_code == 303  # a double click
    flag = session.scalars(select(m.Flag)).one()
    assert told(session) == [(True, [(cast.annotator.id, text.strip())])]
    assert browser.get(address(cast, "/news")).text.strip() == ""
    assert browser.post(f"{address(cast)}/{flag.id}/close", data={"csrf_token": browser.csrf()}).status_code == 403

    browser = as_("manager")
    listed = browser.get(address(cast)).text
    assert "flagged by Annotator" in listed
    assert "&lt;b&gt;I read none&lt;/b&gt;" in listed
    assert browser.submit(f"{address(cast)}/{flag.id}/messages", message="Skip those.").status_code == 303

    browser = as_("annotator")
    assert "A reply to your flag" in browser.get(address(cast, "/news")).text
    assert "Skip those." in browser.get(f"{address(cast)}/{flag.id}").text
    assert browser.get(address(cast, "/news")).text.strip() == ""  # it has been read

    browser = as_("manager")
    for _ in range(2):
        assert browser.submit(f"{address(cast)}/{flag.id}/close").status_code == 303
    assert "No flags" in browser.get(address(cast)).text
    assert "Skip those." in browser.get(address(cast, "?state=closed")).text
    refused = browser.submit(f"{address(cast)}/{flag.id}/messages", message="One thing more")
    assert refused.status_code == 409
    assert "This flag is closed" in refused.text
    assert "One thing more" in refused.text  # it is still there to be copied
    assert told(session) == [(False, [(cast.annotator.id, text.strip()), (cast.manager.id, "Skip those.")])]
    audit = browser.get(f"/projects/{cast.project.id}/audit").text
    for sentence in ("Annotator flagged pair", "Manager answered a flag on pair", "Manager closed a flag on pair"):
        assert audit.count(f"{sentence} {held.item_id}") == 1


def test_the_same_by_the_api(session: Session, cast: Cast, as_: As, held: m.Assignment) -> None:
    browser = as_("anonymous")
    annotator, manager = browser.bearer(cast.annotator), browser.bearer(cast.manager)
    api = f"/api/v1{address(cast)}"
    body = {"assignment_id": held.id, "message": "Is this about the sea?"}
    made = browser.post(api, json=body, headers=annotator)
    assert made.status_code == 201
    number = made.json()["id"]
    assert browser.post(api, json=body | {"message": "Or the sky?"}, headers=annotator).json()["id"] == number
    assert browser.post(f"{api}/{number}/messages", json={"message": "The sky."}, headers=manager).status_code == 201
    (found,) = browser.get(api, headers=manager).json()["items"]
    assert [(each["author"], each["text"]) for each in found["messages"]] == [
        ("Annotator", "Is this about the sea?"), ("Annotator", "Or the sky?"), ("Manager", "The sky."),
    ]  # fmt: skip
    assert (found["item_id"], found["person"], found["closed_at"]) == (held.item_id, "Annotator", None)
    assert browser.post(f"{api}/{number}/close", headers=annotator).status_code == 403
    assert browser.post(f"{api}/{number}/close", headers=manager).status_code == 204
    assert browser.get(api, headers=manager).json()["items"] == []
    assert browser.get(f"{api}/{number}", headers=annotator).json()["closed_at"] is not None
    late = browser.post(f"{api}/{number}/messages", json={"message": "Thanks."}, headers=annotator)
    assert late.status_code == 409
    again = browser.post(api, json=body, headers=annotator)
    assert again.json()["id"] != number


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("", "Write what the managers should know"),
        (" \n\t ", "Write what the managers should know"),
        ("x" * 200_000, "5"),
    ],
    ids=["nothing", "blank", "200 kB"],
)
def test_what_cannot_be_a_flag_changes_nothing(
    session: Session, cast: Cast, as_: As, held: m.Assignment, message: str, sentence: str
) -> None:
    browser = as_("annotator")
    headers = {"Accept": "application/json"}
    about = {"csrf_token": browser.csrf(), "assignment_id": held.id, "message": message}
    refused = browser.post(address(cast), data=about, headers=headers)
    assert refused.status_code == 422
    assert sentence in refused.text
    assert told(session) == []


def test_nobody_flags_or_reads_what_is_not_theirs(session: Session, cast: Cast, as_: As, held: m.Assignment) -> None:
    flag = factories.flag(session, held.item, cast.annotator, "Hm.")
    other = factories.user(session, name="Other")
    factories.member(session, cast.project, other)
    browser = as_("anonymous").sign_in(other)
    assert browser.get(f"{address(cast)}/{flag.id}").status_code == 404
    assert "No flags" in browser.get(address(cast)).text
    assert browser.submit(f"{address(cast)}/{flag.id}/messages", message="Hm?").status_code == 404
    assert browser.submit(address(cast), assignment_id=held.id, message="Hm?").status_code == 404
    assert as_("colleague").get(f"/projects/{cast.other.id}/flags/{flag.id}").status_code == 404
    assert told(session) == [(True, [(cast.annotator.id, "Hm.")])]


def test_what_a_person_wrote_goes_with_them(session: Session, cast: Cast, held: m.Assignment) -> None:
    theirs = factories.flag(session, held.item, cast.manager, "Look at this.")
    theirs.messages.append(m.FlagMessage(author_id=cast.annotator.id, text="My secret."))
    factories.flag(session, held.item, cast.annotator, "And mine.")
    session.flush()
    person.erase(session, cast.admin, cast.annotator, with_labels=False)
    assert told(session) == [(True, [(cast.manager.id, "Look at this.")])]
