"""A person's labels go with them where that is asked for, and all that was made of them follows."""

import pytest
from sqlalchemy import select, text

from app import models as m
from app.annotation.demonstration import DemonstrationValue
from app.db import task_session
from app.erasing import in_parts, person
from app.items import written
from app.rewards import service as rewards
from app.rewards import snapshot_checks, snapshots
from app.runs import folders
from app.web.errors import Conflict
from tests import factories

MARK = "Quetzalcoatlus"


class World:
    """Ana and Bob have labelled the same twelve pairs, of which a snapshot and a report were made."""

    def __init__(self) -> None:
        with task_session() as session:
            made = factories.project(session)
            self.project = made.id
            ana, bob = factories.user(session, name="Ana"), factories.user(session, name="Bob")
            self.ana, self.bob = ana.id, bob.id
            for who in (ana, bob):
                factories.member(session, made, who)
            model = factories.model(session, made)
            judge = factories.model(session, made, kind=m.ModelKind.REWARD)
            self.items = []
            for number in range(12):
                split = m.Split.TRAIN if number % 3 else m.Split.HOLDOUT
                prompt = factories.prompt(session, made, f"Prompt {number}", split=split)
                item = factories.item(session, prompt, model, overlap_target=2, slots_left=0)
                self.items.append(item.id)
                for place, response in enumerate(item.responses):
                    factories.response_score(session, judge, response, 1.0 - place)
                old = factories.label(session, item, ana, m.Outcome.SECOND, comment=MARK)
                old.superseded_at = old.created_at
                session.flush()
                factories.label(session, item, ana, comment=MARK, assignment_id=old.assignment_id)
                factories.label(session, item, bob, m.Outcome.SECOND if number == 5 else m.Outcome.FIRST)
            check = factories.item(
                session, factories.prompt(session, made, "Check"), model,
                purpose=m.Purpose.CHECK, expected={"best": 0}, slots_left=0,
            )  # fmt: skip
            factories.label(session, check, ana, m.Outcome.SECOND)
            judge.metrics = {"report": rewards.build_report(session, judge)}
            self.judge, self.snapshot = judge.id, snapshots.take(session, made).id
            factories.project_head(session, made)

    def delete(self) -> None:
        with task_session() as session:
            person.erase(session, None, session.get_one(m.User, self.ana), with_labels=True)
        assert in_parts.go_on(task_session, self.ana)


@pytest.fixture
def world(database: str) -> World:
    return World()


def slots(world: World) -> list[int]:
    with task_session() as session:
        return [session.get_one(m.Item, number).slots_left for number in world.items]


def test_labels_revisions_preferences_and_leases_go_and_the_slots_are_free(world: World) -> None:
    with task_session() as session:
        factories.assignment(session, session.get_one(m.Item, world.items[0]), factories.user(session))
        ana = session.get_one(m.User, world.ana)
        told = person.outlook(session, ana, with_labels=True)
        assert told.goes["labels"] == 25
        assert told.stays == {
            "prompts from their chats on which others gave labels": 0,
            "snapshots that lose labels": 1,
        }
    world.delete()
    with task_session() as session:
        counted = session.execute(
            text(
                "select (select count(*) from label where annotator_id = :ana), (select count(*) from preference p "
                "where not exists (select from label where id = p.label_id)), (select count(*) from preference), "
                "(select count(*) from label where annotator_id = :bob), "
                "(select count(*) from assignment where annotator_id = :ana)"
            ),
            {"ana": world.ana, "bob": world.bob},
        ).one()
        assert tuple(counted) == (0, 0, 12, 12, 0)
    # One of two people has labelled each of them, and somebody has the first on the screen.
    assert slots(world) == [0] + [1] * 11


def test_a_snapshot_says_that_labels_went_and_still_verifies(world: World) -> None:
    with task_session() as session:
        snapshot = session.get_one(m.Snapshot, world.snapshot)
        assert snapshot.label_count == 24
        assert set(snapshot.raters) == {world.ana}
        whole = snapshot_checks.check(session, snapshot)
        assert (whole.intact, whole.sentence) == (True, "It holds 24 labels, just as it was taken.")
        content = snapshot.content_hash
    world.delete()
    with task_session() as session:
        snapshot = session.get_one(m.Snapshot, world.snapshot)
        assert (snapshot.content_hash, snapshot.label_count, snapshot.raters) == (content, 12, {})
        assert (snapshot.train_pair_count, snapshot.holdout_pair_count) == (8, 4)
        assert snapshot.deleted is not None
        assert (snapshot.deleted["labels"], snapshot.deleted["verified"]) == (12, True)
        found = snapshot_checks.check(session, snapshot)
        assert found.intact
        assert found.sentence == (
            "12 labels went with their person; all that it held was as it was taken when the first of them went. The "
            "12 labels that it still holds are as they were."
        )
        again = snapshots.take(session, session.get_one(m.Project, world.project))
        assert again.content_hash == snapshot.deleted["hash"]  # what stays is what is there now
        assert snapshots.training_rows(session, snapshot) == snapshots.training_rows(session, again)


def test_the_snapshot_is_told_by_the_api_and_on_the_page_of_its_run(as_, cast, session) -> None:
    snapshot = factories.snapshot(session, cast.project, deleted={"labels": 3, "hash": "x", "verified": True})
    run = factories.training(session, cast.project, state=m.RunState.SUCCEEDED, snapshot_id=snapshot.id)
    told = as_("manager").get(f"/api/v1/projects/{cast.project.id}/snapshots/{snapshot.id}").json()
    assert (told["deleted_labels"], told["intact"]) == (3, False)
    assert told["sentence"] == "What it holds is not what was written down: its labels were changed."
    page = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}")
    assert "3 labels more, deleted since with their person" in page.text
    other = f"/api/v1/projects/{cast.other.id}/snapshots/{snapshot.id}"
    assert as_("colleague").get(other).status_code == 404


def test_what_was_changed_does_not_verify_before_or_after(world: World) -> None:
    with task_session() as session:
        session.execute(text("update preference set outcome = 'second' where label_id = (select max(id) from label)"))
        session.execute(
            text("update preference set outcome = 'tie' where label_id = (select min(label_id) from snapshot_label)")
        )
        assert not snapshot_checks.check(session, session.get_one(m.Snapshot, world.snapshot)).intact
    world.delete()
    with task_session() as session:
        snapshot = session.get_one(m.Snapshot, world.snapshot)
        assert snapshot.deleted is not None
        assert snapshot.deleted["verified"] is False
        assert "could not be compared" in snapshot_checks.check(session, snapshot).sentence
        session.execute(
            text("update preference set outcome = 'tie' where label_id in (select label_id from snapshot_label)")
        )
    with task_session() as session:
        assert not snapshot_checks.check(session, session.get_one(m.Snapshot, world.snapshot)).intact


def test_two_people_go_one_after_the_other_and_the_snapshot_counts_both(world: World) -> None:
    world.delete()
    with task_session() as session:
        person.erase(session, None, session.get_one(m.User, world.bob), with_labels=True)
    assert in_parts.go_on(task_session, world.bob)
    with task_session() as session:
        snapshot = session.get_one(m.Snapshot, world.snapshot)
        assert snapshot.deleted is not None
        assert (snapshot.deleted["labels"], snapshot.deleted["verified"], snapshot.label_count) == (24, True, 0)
        assert snapshot_checks.check(session, snapshot).intact
    assert slots(world) == [2] * 12


def test_reports_and_live_heads_are_made_anew(world: World) -> None:
    with task_session() as session:
        before = session.get_one(m.Model, world.judge).metrics["report"]
        assert {row["annotator_id"] for row in before["by_annotator"]} == {world.ana, world.bob}
    world.delete()
    with task_session() as session:
        report = session.get_one(m.Model, world.judge).metrics["report"]
        assert {row["annotator_id"] for row in report["by_annotator"]} == {world.bob}
        assert report["labels"] == 12
        assert session.get(m.ProjectHead, world.project) is None
        assert session.get_one(m.Project, world.project).labels_deleted_at is not None


def test_what_they_wrote_goes_and_what_others_did_on_their_prompt_stays(world: World) -> None:
    with task_session() as session:
        made, ana = session.get_one(m.Project, world.project), session.get_one(m.User, world.ana)
        item = factories.item(
            session, factories.prompt(session, made, "Write."), factories.model(session, made), kind="demonstration"
        )
        label = m.Label(
            project_id=made.id, item_id=item.id, annotator_id=ana.id, value=DemonstrationValue(text=MARK), order=[8],
        )  # fmt: skip
        session.add(label)
        session.flush()
        written.add(session, ana, item, MARK, label, 8)
        own, shared = (
            factories.prompt(session, made, f"{MARK} {text}", source=m.PromptSource.CHAT, created_by_id=ana.id)
            for text in ("own", "shared")
        )
        sampled = factories.item(session, shared, factories.model(session, made))
        factories.label(session, sampled, session.get_one(m.User, world.bob))
        factories.item(session, own, factories.model(session, made))
        factories.run_sample(session, factories.run(session, made, state=m.RunState.FAILED), prompt=own.messages)
    world.delete()
    with task_session() as session:
        assert session.query(m.Response).filter_by(author_id=world.ana).count() == 0
        assert session.query(m.RunSample).count() == 0
        left = session.scalars(select(m.Prompt).where(m.Prompt.created_by_id == world.ana)).all()
        assert [prompt.messages[0]["content"] for prompt in left] == [f"{MARK} shared"]


def test_folders_of_ended_runs_go_and_a_run_that_reads_labels_is_in_the_way(world: World) -> None:
    with task_session() as session:
        made = session.get_one(m.Project, world.project)
        ended = factories.training(session, made, state=m.RunState.FAILED, workspace="attempt-1")
        at_work = factories.training(session, made, "dpo", state=m.RunState.RUNNING, claim="c", workspace="attempt-1")
        for run in (ended, at_work):
            (folders.folder(run.id) / "attempt-1").mkdir(parents=True)
            (folders.folder(run.id) / "attempt-1" / "pairs.jsonl").write_text(MARK)
    with pytest.raises(Conflict, match=f"Run {at_work.id} of project {world.project} is queued or at work"):
        world.delete()
    with task_session() as session:
        assert session.query(m.Label).filter_by(annotator_id=world.ana).count() == 25
        told = person.outlook(session, session.get_one(m.User, world.ana), with_labels=True)
        assert told.blocked is not None
        assert told.blocked.startswith(f"Run {at_work.id}")
        session.get_one(m.Run, at_work.id).state = m.RunState.CANCELLED
    world.delete()
    assert not folders.folder(ended.id).exists()
    assert not folders.folder(at_work.id).exists()
