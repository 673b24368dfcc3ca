"""After a project, a person or a conversation is deleted, a scan of every table and every file finds nothing of it but
what stays by intention."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import models as m
from app.accounts import audit
from app.chat import service as chat
from app.db import task_session
from app.erasing import in_parts, person, project, project_in_parts
from app.imports import files
from app.models import Base
from app.rewards import snapshots
from app.runs import folders
from app.settings import get_settings
from app.web.errors import Conflict
from tests import factories

MARK = "Quetzalcoatlus"  # in every text of what is deleted


def found(session: Session) -> set[str]:
    """The tables and files in which the mark is."""
    tables = {
        name
        for name in Base.metadata.tables
        if session.scalar(text(f'select count(*) from "{name}" t where t::text ilike :mark'), {"mark": f"%{MARK}%"})
    }
    paths = [path for path in get_settings().data_dir.rglob("*") if path.is_file()]
    return tables | {str(path) for path in paths if MARK.encode() in path.read_bytes() or MARK in str(path)}


def rows(session: Session, project_id: int) -> dict[str, int]:
    """How many rows each table has that names this project."""
    tables = [table for table in Base.metadata.tables.values() if "project_id" in table.c]
    counted = {t.name: session.scalar(t.select().where(t.c.project_id == project_id).exists().select()) for t in tables}
    return {name: there for name, there in counted.items() if there}


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MARK)


def fill(session: Session, mark: str) -> tuple[m.Project, m.User]:
    """A project with something in every table of its own, and a person who did it all; `mark` in each text."""
    made = factories.project(session, name=mark, guidelines=mark)
    who = factories.user(session, name=mark, email=f"{mark}@example.org")
    factories.member(session, made, who, m.Role.MANAGER, pause_reason=mark)
    factories.api_token(session, who, name=mark)
    factories.web_session(session, who)
    factories.sign_in_link(session, who)
    invitation = factories.invitation(session, made, who, note=mark, used_by_id=who.id)
    audit.record(session, who, "invitation.created", project_id=made.id, subject=invitation, note=mark)
    audit.record(session, None, "member.paused", project_id=made.id, subject=who, name=mark, reason=mark)
    run = factories.run(session, made, state=m.RunState.SUCCEEDED, created_by_id=who.id)
    factories.run_metric(session, run, 1, 0.5)
    factories.run_sample(session, run, response=mark)
    model = factories.model(session, made, name=mark, run_id=run.id)
    again = factories.run(session, made, state=m.RunState.FAILED, model_id=model.id, parent_id=run.id, error=mark)
    made.policy_id = model.id
    for number in range(8):
        prompt = factories.prompt(
            session, made, f"{mark} {number}", run_id=run.id,
            split=m.Split.TRAIN if number % 4 else m.Split.HOLDOUT,
        )  # fmt: skip
        item = factories.item(session, prompt, model, run_id=run.id)
        factories.label(session, item, who)
        factories.flag(session, item, who, mark)
        factories.response_score(session, model, item.responses[0])
    snapshot = snapshots.take(session, made)
    factories.training(session, made, state=m.RunState.SUCCEEDED, snapshot_id=snapshot.id, model_id=model.id)
    conversation = factories.conversation(session, made, who, title=mark)
    factories.turn(session, conversation, content=mark, model_id=model.id)
    session.add(m.IdempotencyKey(user_id=who.id, key=mark, digest="x", status=200, body=mark))
    session.flush()
    if mark == MARK:
        for path in (folders.folder(run.id) / "log.txt", folders.folder(again.id) / "attempt-1" / "prompts.jsonl"):
            write(path)
        write(get_settings().store / str(model.artifact) / "README.md")
        write(files.folder_of(made.id) / "upload.csv")
    return made, who


@pytest.fixture
def world(database: str) -> tuple[int, int, int]:
    """The numbers of the project and person that are marked, and of another project."""
    with task_session() as session:
        other, _ = fill(session, "Other")
        made, who = fill(session, MARK)
        return made.id, who.id, other.id


def test_nothing_of_a_project_is_left_but_its_people(world):
    number, who, other = world
    with task_session() as session:
        before = rows(session, other)
        assert len(found(session)) > 15
        with pytest.raises(Conflict, match="Archive it first"):
            project.erase(session, session.get_one(m.Project, number), None)
    with task_session() as session:
        session.get_one(m.Project, number).archived_at = session.get_one(m.Project, number).created_at
        at_work = factories.run(session, session.get_one(m.Project, number), state=m.RunState.RUNNING, claim="c")
        with pytest.raises(Conflict, match=f"Run {at_work.id} of this project"):
            project.erase(session, session.get_one(m.Project, number), None)
        session.delete(at_work)
    with task_session() as session:
        marked = session.get_one(m.Project, number)
        told = project.outlook(session, marked)
        assert told.goes == {
            "prompts": 8, "items": 8, "labels": 8, "snapshots": 1, "conversations": 1, "runs": 3, "models": 1,
        }  # fmt: skip
        assert (told.stays, told.blocked) == ({"accounts of its people": 1}, None)
        project.erase(session, marked, None)
    assert project_in_parts.go_on(task_session, number)
    with task_session() as session:
        assert found(session) == {"user", "api_token"}  # the person is somebody still
        assert rows(session, number) == {}
        assert rows(session, other) == before
        assert session.get(m.User, who) is not None
        [event] = session.query(m.AuditEvent).filter_by(action="project.deleted")
        assert event.details == {"number": number}


def test_a_project_whose_model_another_uses_stays_whole(world):
    number, _, other = world
    with task_session() as session:
        marked = session.get_one(m.Project, number)
        marked.archived_at = marked.created_at
        session.get_one(m.Project, other).base_model_id = marked.policy_id
    with task_session() as session:
        before = found(session)
        with pytest.raises(Conflict, match="Another project uses a model"):
            project.erase(session, session.get_one(m.Project, number), None)
    with task_session() as session:
        assert found(session) == before


def test_of_a_person_the_labels_stay_under_a_number_and_snapshots_verify(world):
    number, who, _ = world
    with task_session() as session:
        marked = session.get_one(m.Project, number)
        snapshot = snapshots.take(session, marked)
        held, learned = snapshot.content_hash, snapshots.training_rows(session, snapshot)
        user = session.get_one(m.User, who)
        told = person.outlook(session, user, with_labels=False)
        assert (told.goes, told.stays) == (
            {"conversations": 1, "folders of exports": 0}, {"labels": 8, "responses written as labels": 0}
        )  # fmt: skip
        before = found(session)
        person.erase(session, None, user, with_labels=False)
    assert in_parts.go_on(task_session, who)
    with task_session() as session:
        gone = {"user", "api_token", "conversation", "turn", "invitation", "member", "idempotency_key", "audit_event"}
        gone |= {"flag_message"}
        assert before - found(session) == gone
        user = session.get_one(m.User, who)
        assert (user.name, user.email) == (f"Person {who}", f"person-{who}@deleted.invalid")
        assert user.disabled_at is not None
        for table in ("web_session", "sign_in_link", "api_token", "conversation", "idempotency_key"):
            assert session.scalar(text(f"select count(*) from {table} where user_id = {who}")) == 0
        again = snapshots.take(session, session.get_one(m.Project, number))
        assert again.content_hash == held
        assert snapshots.training_rows(session, again) == learned
        assert {label.given_by for label in session.query(m.Label).filter_by(annotator_id=who)} == {f"Person {who}"}


def test_the_last_administrator_is_not_deleted(database):
    with task_session() as session:
        admin = factories.user(session, is_admin=True, name="Ada")
        with pytest.raises(Conflict, match="Ada is the last administrator and cannot be deleted"):
            person.erase(session, None, admin, with_labels=False)
        session.refresh(admin)
        assert admin.name == "Ada"


def test_a_conversation_that_its_person_deletes_is_nowhere(database):
    with task_session() as session:
        made, who = factories.project(session), factories.user(session)
        conversation = factories.conversation(session, made, who, title=MARK)
        for position in range(3):
            factories.turn(session, conversation, position, content=f"{MARK} {position}")
        assert found(session) == {"conversation", "turn"}
        chat.delete(session, made, who, conversation)
    with task_session() as session:
        assert found(session) == set()
