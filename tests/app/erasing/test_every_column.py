"""Words are planted in every column there is; after a project, a person or a conversation was deleted, every table,
file, log line and key of the queue is searched for them."""

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import models as m
from app.annotation.demonstration import DemonstrationValue
from app.chat import service as chat
from app.db import task_session
from app.erasing import in_parts, person, project, project_in_parts
from app.imports import files
from app.items import written
from app.models import Base
from app.rewards import snapshot_checks, snapshots
from app.runs import folders
from app.settings import get_settings
from tests import factories
from tests.app.erasing import planting

INSTALLATION = {"endpoint"}  # of no project and no person
ASKED: m.Asked = {"questions": [], "reasons": [], "comment": "off", "kinds": {}}
ACCOUNT = {"user", "api_token", "web_session", "sign_in_link"}


class World:
    """A project in which one person did everything, with a row in every table and a mark in every column."""

    def __init__(self, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
        self.redis_url, self.caplog = redis_url, caplog
        with task_session() as session:
            self._fill(session)
        with task_session() as session:
            counts = {name: session.scalar(text(f'select count(*) from "{name}"')) for name in Base.metadata.tables}
            assert [name for name, rows in counts.items() if not rows] == [], (
                "a table that holds nothing proves nothing"
            )
            self.marks = planting.plant(session, self._belongs)
        with task_session() as session:
            made = session.get_one(m.Project, self.project)
            model = session.get_one(m.Model, self.model)
            self.artifact = model.artifact
            texts = [f"{mark}-1" for mark in self.marks]
            for path in (
                folders.folder(self.run) / "attempt-1" / "log.txt",
                get_settings().store / str(model.artifact) / "README.md",
                files.folder_of(made.id) / "upload.csv",
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(" ".join(texts))
        self.before = self.found()

    @staticmethod
    def _belongs(table: str) -> str:
        """The base model is the installation's; and what somebody else did would have the same mark."""
        others = {"model": "project_id is not null", "user": "not is_admin", "label": "annotator_id is not null"}
        return others.get(table, "true")

    def _fill(self, session: Session) -> None:
        made, who = factories.project(session, guidelines="Be kind."), factories.user(session, password_hash="x")
        other = factories.user(session, is_admin=True)
        self.project, self.person, self.other = made.id, who.id, other.id
        session.add(m.Quota(project_id=made.id))
        session.add(m.Instructions(project_id=made.id, number=1, content_hash="x", guidelines="Be kind.", asked=ASKED))
        factories.member(session, made, who, m.Role.MANAGER)
        factories.api_token(session, who)
        factories.web_session(session, who, device="Firefox on Linux")
        factories.sign_in_link(session, who)
        factories.invitation(session, made, who, used_by_id=who.id)
        factories.audit_event(session, project_id=made.id, actor_id=who.id, subject_type="user", subject_id=who.id)
        session.add(m.IdempotencyKey(user_id=who.id, key="k", digest="d", status=200, body="b"))
        factories.endpoint(session)
        run = factories.run(session, made, m.RunKind.SCORING, state=m.RunState.SUCCEEDED, workspace="attempt-1")
        self.run = run.id
        factories.run_metric(session, run, 1, 0.5)
        factories.run_sample(session, run)
        brought = factories.run(session, made, m.RunKind.IMPORT, state=m.RunState.SUCCEEDED)
        session.add(m.ImportProgress(run_id=brought.id))
        session.add(m.RefusedRow(run_id=brought.id, number=1, line=1, reason="r", raw="r"))
        rater = m.ImportedAnnotator(project_id=made.id, name="them", aggregate=False)
        session.add(rater)
        model = factories.model(session, made, run_id=run.id, source="somewhere")
        self.model = model.id
        factories.project_head(session, made)
        for number in range(8):
            prompt = factories.prompt(session, made, split=m.Split.TRAIN if number else m.Split.HOLDOUT)
            item = factories.item(session, prompt, model)
            factories.label(session, item, who, comment="c")
        factories.response(session, prompt, imported_from="somebody")
        factories.response_score(session, model, item.responses[0])
        factories.response_features(session, model, item.responses[0], [1.0])
        factories.flag(session, item, who, "Why?")
        session.flush()
        session.add(
            m.Label(
                project_id=made.id, item_id=item.id, imported_annotator_id=rater.id, run_id=brought.id, order=[0, 1],
                value=session.query(m.Label).first().value, surplus=True,
            )
        )  # fmt: skip
        asked = factories.item(session, factories.prompt(session, made), model, kind="demonstration", responses=[])
        shown = factories.assignment(session, asked, who, state=m.AssignmentState.LABELLED)
        demonstration = m.Label(
            project_id=made.id, item_id=asked.id, annotator_id=who.id, assignment_id=shown.id, order=[],
            value=DemonstrationValue(text="w"),
        )  # fmt: skip
        session.add(demonstration)
        session.flush()
        written.add(session, who, asked, "w", demonstration, written.next_position(session, asked))
        skipped = factories.item(session, factories.prompt(session, made), model)
        factories.assignment(session, skipped, who, state=m.AssignmentState.SKIPPED)
        snapshot = snapshots.take(session, made)
        self.snapshot = snapshot.id
        snapshot.deleted = {"labels": 0, "hash": "", "verified": True}
        self.chat(session, made, who, model)

    def chat(self, session: Session, made: m.Project, who: m.User, model: m.Model) -> None:
        talk = factories.conversation(session, made, who)
        self.conversation = talk.id
        collected = factories.prompt(
            session, made, source=m.PromptSource.CHAT, status=m.PromptStatus.REVIEW, created_by_id=who.id
        )
        factories.turn(session, talk, 0, prompt_id=collected.id)
        answers = [
            factories.turn(
                session, talk, 1, variant=variant, kept=not variant, role=m.TurnRole.ASSISTANT, model_id=model.id
            )
            for variant in range(2)
        ]
        item = factories.item(session, collected, model, purpose=m.Purpose.CHAT, overlap_target=0)
        factories.label(session, item, who, assignment_id=None)
        compared = m.TurnComparison(
            conversation_id=talk.id, first_id=answers[0].id, second_id=answers[1].id, item_id=item.id,
            choice=m.TurnChoice.FIRST,
        )  # fmt: skip
        session.add(compared)

    def found(self) -> dict[str, set[str]]:
        with task_session() as session:
            return planting.found(
                session, self.marks, get_settings().data_dir, queue=self.redis_url, logs=self.caplog.text
            )

    def gone(self) -> set[str]:
        """The columns of which nothing is left but in files of the store."""
        return set(self.before) - {
            name for name, places in self.found().items() if any("/" not in each for each in places)
        }


@pytest.fixture
def world(database: str, redis_url: str, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    with caplog.at_level(logging.DEBUG):
        yield World(redis_url, caplog)


def of(names: set[str], tables: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in tables}


def test_every_column_that_can_hold_words_holds_its_mark(world: World) -> None:
    with task_session() as session:
        named = {f"{table}.{column}" for table, column, *_ in planting.columns(session)}
    assert {name for name in named if name.split(".")[0] not in world.before.get(name, set())} == set()
    assert set(planting.DOCUMENTS) <= named
    assert set(planting.ROWS) <= named


def test_of_a_project_nothing_stays_but_accounts(world: World) -> None:
    with task_session() as session:
        made = session.get_one(m.Project, world.project)
        made.archived_at = made.created_at
        project.erase(session, made, session.get_one(m.User, world.other))
    assert project_in_parts.go_on(task_session, world.project)
    left = world.found()
    assert set(left) == of(set(world.before), ACCOUNT | INSTALLATION), left
    assert set().union(*left.values()) <= ACCOUNT | INSTALLATION, left


def erase_person(world: World, *, with_labels: bool) -> set[str]:
    """The columns of which nothing is left in any table, log or key."""
    with task_session() as session:
        actor, who = session.get_one(m.User, world.other), session.get_one(m.User, world.person)
        person.erase(session, actor, who, with_labels=with_labels)
    assert in_parts.go_on(task_session, world.person)
    return world.gone()


def of_a_person(world: World) -> set[str]:
    tables = of(set(world.before), ACCOUNT | {"conversation", "turn", "flag_message", "idempotency_key"})
    return tables | {"audit_event.details", "invitation.note", "member.pause_reason"}


def count(what: str) -> int:
    with task_session() as session:
        return int(session.scalar(text(f"select count(*) from {what}")) or 0)


def test_of_a_person_whose_labels_stay_nothing_else_does(world: World) -> None:
    assert erase_person(world, with_labels=False) == of_a_person(world)
    assert "store/runs" in world.found()["label.comment"], "runs keep what they read"


def test_of_a_person_whose_labels_go_too_nothing_stays_and_snapshots_say_so(world: World) -> None:
    gone = erase_person(world, with_labels=True)
    labels = of(set(world.before), {"label", "preference", "assignment"})
    assert gone == of_a_person(world) | labels | {"run.workspace", "snapshot.deleted"}
    kept = {place for places in world.found().values() for place in places if "store" in place}
    assert kept == {"store/imports", f"store/{world.artifact}"}, "models and the project's files stay, no run's folder"
    assert count(f"response where author_id = {world.person}") == 0
    assert count(f"prompt where source = 'chat' and created_by_id = {world.person}") == 0
    with task_session() as session:
        found = snapshot_checks.check(session, session.get_one(m.Snapshot, world.snapshot))
    assert found.intact
    assert "labels went with their person" in found.sentence


def test_of_a_conversation_neither_turns_nor_prompt_nor_label_stay(world: World) -> None:
    with task_session() as session:
        talk = session.get_one(m.Conversation, world.conversation)
        chat.delete(session, session.get_one(m.Project, world.project), session.get_one(m.User, world.person), talk)
    assert world.gone() == of(set(world.before), {"conversation", "turn"})
    assert count("prompt where source = 'chat'") == 0
    assert count("label where assignment_id is null and annotator_id is not null") == 0
