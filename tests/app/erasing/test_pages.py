"""The pages and calls that delete for good: what they tell before, what has to be typed, when they refuse."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app import models as m
from app.erasing import in_parts, project_in_parts
from tests import factories


@pytest.fixture
def at_work(cast, session) -> m.Run:
    """A run of the project that somebody works on."""
    model = factories.model(session, cast.project)
    factories.label(session, factories.item(session, factories.prompt(session, cast.project), model), cast.annotator)
    return factories.training(session, cast.project, state=m.RunState.RUNNING, claim="c")


def archive(session, project: m.Project) -> None:
    project.archived_at = datetime.now(UTC)
    session.flush()


def test_a_project_is_deleted_once_it_is_archived_and_its_name_typed(as_, cast, session):
    factories.label(
        session,
        factories.item(session, factories.prompt(session, cast.project), factories.model(session, cast.project)),
        cast.annotator,
    )
    url, browser = f"/projects/{cast.project.id}/delete", as_("manager")
    page = browser.get(url)
    assert "Archive it first" in page.text
    assert "labels: 1," in page.text
    assert browser.submit(url, name="Ours").status_code == 409
    archive(session, cast.project)
    page = browser.submit(url, name="ours")
    assert page.status_code == 422
    assert "Type the project&#39;s name, Ours, to say that this one is meant." in page.text
    assert 'value="ours"' in page.text  # what was typed is kept
    assert session.get(m.Project, cast.project.id) is not None
    done = browser.submit(url, name="Ours")
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert browser.get(url).status_code == 404
    assert project_in_parts.go_on(lambda: nullcontext(session), cast.project.id)
    assert session.scalar(select(m.Project.id).where(m.Project.id == cast.project.id)) is None
    assert as_("annotator").get(url).status_code == 404


def test_a_run_at_work_is_in_the_way_of_a_project(as_, cast, session, at_work):
    archive(session, cast.project)
    url = f"/projects/{cast.project.id}/delete"
    sentence = f"Run {at_work.id} of this project is queued or at work. Cancel it, and wait until it has ended."
    assert sentence in as_("manager").get(url).text
    refused = as_("manager").submit(url, name="Ours")
    assert (refused.status_code, sentence in refused.text) == (409, True)
    browser = as_("manager")
    told = browser.get(f"/api/v1/projects/{cast.project.id}/deletion").json()
    assert (told["name"], told["goes"]["labels"], told["blocked"]) == ("Ours", 1, sentence)
    call = browser.post(
        f"/api/v1/projects/{cast.project.id}/delete", json={"name": "Ours"}, headers={"X-CSRF-Token": browser.csrf()}
    )
    assert (call.status_code, call.json()["detail"]) == (409, sentence)
    assert session.get(m.Run, at_work.id) is not None


def test_a_person_is_deleted_with_labels_kept_or_deleted_as_asked(as_, cast, session, at_work):
    url, browser = f"/users/{cast.annotator.id}/delete", as_("admin")
    page = browser.get(url)
    assert "labels: 1" in page.text
    assert f"Not now: Run {at_work.id} of project {cast.project.id}" in page.text
    wrong = browser.submit(url, email="somebody@example.org", labels="delete")
    assert wrong.status_code == 422
    assert 'value="delete" checked' in wrong.text
    refused = browser.submit(url, email="annotator@example.org", labels="delete")
    assert refused.status_code == 409
    assert cast.annotator.name == "Annotator"
    at_work.state = m.RunState.FAILED
    session.flush()
    headers = {"X-CSRF-Token": browser.csrf()}
    told = browser.get(f"/api/v1/users/{cast.annotator.id}/deletion?labels=delete").json()
    assert (told["goes"]["labels"], told["blocked"]) == (1, None)
    body = {"email": "Annotator@example.org", "labels": "delete"}
    assert browser.post(f"/api/v1/users/{cast.annotator.id}/delete", json=body, headers=headers).status_code == 204
    session.refresh(cast.annotator)
    assert cast.annotator.name == f"Person {cast.annotator.id}"
    going = browser.get(url)
    assert f"Person {cast.annotator.id} is being deleted" in going.text
    assert "labels: 1" in going.text
    assert "labels being deleted" in browser.get("/users").text
    left = browser.get(f"/api/v1/users/{cast.annotator.id}/deletion?labels=delete").json()
    assert left["goes"]["labels"] == 1
    [one] = browser.get("/api/v1/deletions").json()["items"]
    assert (one["kind"], one["number"]) == ("person", cast.annotator.id)
    assert one["left"] == {"conversations": 0, "labels": 1, "responses written as labels": 0}
    assert f"Person {cast.annotator.id}, begun" in browser.get("/retention").text
    body["email"] = f"person-{cast.annotator.id}@deleted.invalid"
    again = f"/api/v1/users/{cast.annotator.id}/delete"
    assert browser.post(again, json=body, headers=headers).status_code == 204  # as often as one likes
    kept = browser.post(again, json=body | {"labels": "keep"}, headers=headers)
    assert (kept.status_code, "cannot be changed any more" in kept.text) == (409, True)
    refused = browser.submit(f"/users/{cast.annotator.id}/enable")
    assert (refused.status_code, "is being deleted" in refused.text) == (409, True)
    assert in_parts.go_on(lambda: nullcontext(session), cast.annotator.id)
    assert session.scalar(select(m.Label.id)) is None
    assert browser.get("/api/v1/deletions").json()["items"] == []
    assert "labels being deleted" not in browser.get("/users").text
    assert browser.submit(f"/users/{cast.manager.id}/delete", email="manager@example.org").status_code == 303
    session.refresh(cast.manager)
    assert cast.manager.name == f"Person {cast.manager.id}"
    assert "deleted the account of person" in browser.get("/system").text
    last = browser.submit(f"/users/{cast.admin.id}/delete", email="admin@example.org")
    assert (last.status_code, "the last administrator" in last.text) == (409, True)


def test_a_conversation_says_what_goes_and_what_stays(as_, cast, session):
    conversation = factories.conversation(session, cast.project, cast.annotator, title="Mine")
    prompt = factories.prompt(session, cast.project, source=m.PromptSource.CHAT, status=m.PromptStatus.REVIEW)
    admitted = factories.prompt(session, cast.project, "Admitted", source=m.PromptSource.CHAT)
    for position, each in enumerate((prompt, admitted)):
        factories.turn(session, conversation, position, prompt_id=each.id)
    browser, base = as_("annotator"), f"/projects/{cast.project.id}/chat/{conversation.id}"
    told = browser.get(f"/api/v1{base}/deletion").json()
    assert told["goes"] == {"turns": 2, "prompts that nobody added": 1, "labels made in it": 0}
    assert told["stays"] == {"prompts that were added, asked no more": 1, "labels that a training has learned from": 0}
    assert "turns: 2, prompts that nobody added: 1" in browser.get(f"{base}/delete").text
    assert as_("manager").get(f"{base}/delete").status_code == 404
    assert as_("annotator").submit(f"{base}/delete").status_code == 303
    assert session.scalar(select(m.Prompt.status).where(m.Prompt.id == admitted.id)) is m.PromptStatus.WITHDRAWN
    assert session.scalar(select(m.Prompt.id).where(m.Prompt.id == prompt.id)) is None


def test_retention_tells_before_it_deletes(as_, cast, session):
    old = datetime.now(UTC) - timedelta(days=100)
    talk = factories.conversation(session, cast.project, cast.annotator, created_at=old)
    factories.turn(session, talk, content="five!", created_at=old)
    browser = as_("admin")
    page = browser.get("/retention?runs=&chats=30")
    assert "1 conversation\n    (5 B of text in the database)" in page.text
    assert browser.get("/retention?runs=0").status_code == 422
    assert browser.get("/api/v1/retention").status_code == 422
    told = browser.get("/api/v1/retention?runs=30&chats=30").json()
    assert told == {"runs": [], "bytes": 0, "conversations": 1, "chat_bytes": 5, "in_use": []}
    done = browser.submit("/retention", runs="", chats="30")
    assert done.status_code == 303
    assert session.scalar(select(m.Conversation.id)) is None
    assert "deleted by age: 0 folders of runs, 1 conversation" in browser.get("/system").text
    assert as_("manager").get("/retention?chats=30").status_code == 403
    assert as_("manager").get("/api/v1/deletions").status_code == 403
