"""Snapshots, training rows, retraining by itself, and what follows a finished training."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.methods import MethodForm
from app.models import (
    Item,
    Label,
    Level,
    Model,
    ModelKind,
    ModelState,
    Outcome,
    Preference,
    Project,
    Purpose,
    Run,
    RunState,
    SnapshotLabel,
    Split,
    TrainingConfig,
    User,
)
from app.registry import service as registry
from app.rewards import head_queries, retraining, service, snapshots
from app.rewards.counting import Counting
from app.rewards.head_queries import Features
from app.rewards.method import REWARD
from app.rewards.targets import VALUE
from app.runs import training
from app.runs import work as run_work
from app.settings import get_settings
from app.web.errors import Conflict, Invalid, NotFound
from tests import factories
from tests.asking import asking

A, B, TIE, BAD = Outcome.FIRST, Outcome.SECOND, Outcome.TIE, Outcome.BOTH_BAD


@pytest.fixture
def project(session: Session, stored: Any) -> Project:
    project = factories.project(session)
    stored(project.base_model)
    return project


@pytest.fixture
def people(session: Session) -> list[User]:
    return [factories.user(session) for _ in range(3)]


def labelled(
    session: Session, project: Project, people: list[User], *choices: Outcome, split: Split = Split.TRAIN, **over: Any
) -> Item:
    """A pair with one label by each person in turn."""
    prompt = factories.prompt(session, project, split=split)
    item: Item = factories.item(session, prompt, project.base_model, slots_left=0, **over)
    for person, choice in zip(people, choices, strict=False):
        factories.label(session, item, person, choice)
    return item


def enough(session: Session, project: Project, people: list[User]) -> list[Item]:
    return [labelled(session, project, people, A) for _ in range(4)] + [
        labelled(session, project, people, B, split=Split.HOLDOUT)
    ]


def test_a_snapshot_holds_current_labels_of_training_items_only(
    session: Session, project: Project, people: list[User]
) -> None:
    items = enough(session, project, people)
    labelled(session, project, people, A, purpose=Purpose.CHECK)
    labelled(session, project, people, A, purpose=Purpose.EVALUATION)
    old = factories.label(session, items[0], people[1], A)
    old.superseded_at = func.now()
    session.flush()
    other = factories.project(session)
    labelled(session, other, people, A)
    snapshot = snapshots.take(session, project)
    assert (snapshot.label_count, snapshot.train_pair_count, snapshot.holdout_pair_count) == (5, 4, 1)
    inside = select(SnapshotLabel.label_id).where(SnapshotLabel.snapshot_id == snapshot.id)
    pairs_inside = set(session.scalars(select(Label.item_id).where(Label.id.in_(inside))))
    assert pairs_inside == {item.id for item in items}


def test_the_same_labels_give_the_same_snapshot_and_a_revision_another(
    session: Session, project: Project, people: list[User]
) -> None:
    items = enough(session, project, people)
    first = snapshots.take(session, project)
    assert snapshots.take(session, project).id == first.id
    rows = snapshots.training_rows(session, first)
    old = session.scalars(select(Label).where(Label.item_id == items[0].id)).one()
    old.superseded_at = func.now()
    session.flush()
    factories.label(session, items[0], people[0], B, assignment_id=old.assignment_id)
    second = snapshots.take(session, project)
    assert second.content_hash != first.content_hash
    assert snapshots.training_rows(session, first) == rows  # frozen: what was learned from stays what it was


def test_rows_have_the_better_answer_first_and_no_prompt_on_both_sides(
    session: Session, project: Project, people: list[User]
) -> None:
    enough(session, project, people)
    mixed = labelled(session, project, people, B, B, A)
    tie = labelled(session, project, people, TIE)
    split_vote = labelled(session, project, people, A, B)
    labelled(session, project, people, BAD, BAD)
    snapshot = snapshots.take(session, project)
    train, holdout = snapshots.training_rows(session, snapshot)
    rows = {row["pair_id"]: row for row in train}
    assert len(train) == 7  # the "both bad" one is left out
    assert snapshot.train_pair_count == 7
    assert rows[mixed.id] == {
        "prompt": mixed.prompt.messages,
        "chosen": mixed.responses[1].text,
        "rejected": mixed.responses[0].text,
        "preference": pytest.approx(2 / 3),
        "weight": 1.0,
        "pair_id": mixed.id,
        "raters": 3,
    }
    assert rows[tie.id]["preference"] == rows[split_vote.id]["preference"] == 0.5
    assert [row["preference"] for row in holdout] == [1.0]
    assert not {row["pair_id"] for row in holdout} & rows.keys()
    assert [row["pair_id"] for row in train] == sorted(rows)
    by_reliability, _ = snapshots.training_rows(session, snapshot, Counting(aggregation="reliability"))
    assert {row["pair_id"] for row in by_reliability} == rows.keys()
    assert all(0.5 <= row["preference"] < 1 for row in by_reliability)


KINDER = "Which is kinder?"


def answered(
    session: Session, project: Project, people: list[User], kinder: Outcome, split: Split = Split.TRAIN
) -> Item:
    """A pair that its annotator finds better on the side a, and kinder as given."""
    item = labelled(session, project, people, A, split=split)
    label = session.scalars(select(Label).where(Label.item_id == item.id)).one()
    session.add(
        Preference(label_id=label.id, question=KINDER, first=0, second=1, outcome=kinder, probability=VALUE[kinder])
    )
    session.flush()
    return item


def test_rows_by_a_question_follow_its_answers(session: Session, project: Project, people: list[User]) -> None:
    project.answer = asking(questions=[KINDER])
    agree, differ, tie = (answered(session, project, people, kinder) for kinder in (A, B, TIE))
    not_asked = labelled(session, project, people, A)
    held_out = answered(session, project, people, B, Split.HOLDOUT)
    with pytest.raises(Conflict, match="3 usable pairs to learn from and 1 to measure on"):
        snapshots.take(session, project, KINDER)
    answered(session, project, people, B)
    snapshot = snapshots.take(session, project, KINDER)
    assert (snapshot.label_count, snapshot.train_pair_count, snapshot.holdout_pair_count) == (6, 5, 1)
    assert snapshots.take(session, project).id == snapshot.id  # frozen with every answer, whoever learns from which
    train, holdout = snapshots.training_rows(session, snapshot, Counting(KINDER))
    rows = {row["pair_id"]: row for row in train}
    assert not_asked.id not in rows
    assert len(rows) == 4
    assert (rows[agree.id]["chosen"], rows[agree.id]["preference"]) == (agree.responses[0].text, 1.0)
    assert (rows[differ.id]["chosen"], rows[differ.id]["preference"]) == (differ.responses[1].text, 1.0)
    assert rows[tie.id]["preference"] == 0.5
    assert [row["chosen"] for row in holdout] == [held_out.responses[1].text]
    main, _ = snapshots.training_rows(session, snapshot)
    assert len(main) == 5
    assert {row["pair_id"]: row["chosen"] for row in main}[differ.id] == differ.responses[0].text


def test_another_answer_to_a_question_is_another_snapshot(
    session: Session, project: Project, people: list[User]
) -> None:
    items = enough(session, project, people)
    label = session.scalars(select(Label).where(Label.item_id == items[0].id)).one()
    hashes = set()
    for kinder in (None, A, B):
        if kinder is not None:
            stated = Preference(question=KINDER, first=0, second=1, outcome=kinder, probability=VALUE[kinder])
            label.preferences = [label.preferences[0], stated]
        session.flush()
        hashes.add(snapshots.take(session, project).content_hash)
    assert len(hashes) == 3


def test_a_model_of_a_question_is_named_and_measured_by_it(
    session: Session, project: Project, people: list[User], stored: Any
) -> None:
    project.answer = asking(questions=[KINDER])
    for _ in range(4):
        answered(session, project, people, B)
    answered(session, project, people, B, Split.HOLDOUT)
    with pytest.raises(Invalid, match="does not ask that question"):
        training.start(session, project, people[0], REWARD, REWARD.form(question="Which is longer?"))
    model = _trained(session, project, stored, REWARD.form(question=KINDER))
    made_by = session.get_one(Run, model.run_id)
    assert made_by.asked(TrainingConfig).options["question"] == KINDER
    assert "question" not in made_by.asked(TrainingConfig).settings
    assert (model.name, service.question_of(model)) == (f"Reward model 1: {KINDER}", KINDER)
    run = service.scoring_run(session, model)
    assert run is not None
    first = {label.item.responses[0].id for label in session.scalars(select(Label))}
    rows = service.rows_to_score(session, run)
    service.add_scores(session, run, [row | {"score": float(row["response_id"] in first)} for row in rows])
    assert model.metrics["report"]["holdout"]["accuracy"] == 0.0  # it favours a; kinder is b, though a is better
    assert len(model.metrics["report"]["disputed"]) == 5


def test_a_snapshot_without_usable_labels_is_refused(session: Session, project: Project, people: list[User]) -> None:
    with pytest.raises(Conflict, match="no usable labels yet"):
        snapshots.take(session, project)
    labelled(session, project, people, BAD)
    with pytest.raises(Conflict, match="no usable labels yet"):
        snapshots.take(session, project)
    for _ in range(6):
        labelled(session, project, people, A)
    with pytest.raises(Conflict, match="6 usable pairs to learn from and 0 to measure on"):
        snapshots.take(session, project)


def test_start_queues_one_training_at_a_time(session: Session, project: Project, people: list[User]) -> None:
    enough(session, project, people)
    form = REWARD.form(seed=7, aggregation="reliability", needs_gpu=True)
    run = training.start(session, project, people[0], REWARD, form)
    assert (run.method, run.state, run.needs_gpu, run.created_by_id) == (
        "reward",
        RunState.QUEUED,
        True,
        people[0].id,
    )
    assert run.asked(TrainingConfig).settings["seed"] == 7
    assert run.asked(TrainingConfig).options["aggregation"] == "reliability"
    assert not {"aggregation", "needs_gpu"} & run.asked(TrainingConfig).settings.keys()
    assert run.snapshot is not None
    with pytest.raises(Conflict, match=f"is running already .run {run.id}."):
        training.start(session, project, None, REWARD)


def test_start_says_why_the_base_model_cannot_be_used(session: Session, people: list[User]) -> None:
    project = factories.project(session, base_model_id=factories.base_model(session, state=ModelState.PREPARING).id)
    enough(session, project, people)
    with pytest.raises(Conflict, match="still being prepared"):
        training.start(session, project, None, REWARD)
    gone = factories.project(session)
    enough(session, gone, people)
    with pytest.raises(Conflict, match="gone from the store"):
        training.start(session, gone, None, REWARD)


def test_retraining_by_itself_waits_for_enough_new_labels(
    session: Session, project: Project, people: list[User]
) -> None:
    enough(session, project, people)
    assert retraining.retrain_if_due(session, project) is None  # off
    project.automation = project.automation.model_copy(update={"retrain_reward": True, "labels_between_rewards": 10})
    assert retraining.retrain_if_due(session, project) is None  # 5 of 10
    for _ in range(5):
        labelled(session, project, people, A)
    assert service.new_labels(session, project) == 10
    run = retraining.retrain_if_due(session, project)
    assert run is not None
    assert run.automatic
    assert retraining.retrain_if_due(session, project) is None  # under way
    assert service.new_labels(session, project) == 0


def test_trainings_by_itself_keep_to_the_budget_of_24_hours(
    session: Session, project: Project, people: list[User]
) -> None:
    automation = {"retrain_reward": True, "labels_between_rewards": 10, "reward_trainings_per_day": 1}
    project.automation = project.automation.model_copy(update=automation)

    def decide() -> retraining.Decision:
        session.flush()
        return retraining.decide(session, project, service.new_labels(session, project))

    assert decide().reason == "Waits for 10 more labels."
    enough(session, project, people)
    for _ in range(5):
        labelled(session, project, people, A)
    run = retraining.retrain_if_due(session, project)
    assert run is not None
    assert decide().reason == f"Run {run.id} is queued."
    run.state = RunState.SUCCEEDED
    for _ in range(10):
        labelled(session, project, people, A)
    assert retraining.retrain_if_due(session, project) is None
    assert decide().reason == "The budget of 1 training in 24 hours is used up."
    run.created_at -= timedelta(hours=25)
    session.flush()
    assert retraining.retrain_if_due(session, project) is not None


def test_a_side_without_usable_items_is_named(session: Session, project: Project, people: list[User]) -> None:
    project.automation = project.automation.model_copy(update={"retrain_reward": True, "labels_between_rewards": 10})
    for _ in range(10):
        labelled(session, project, people, A)
    assert retraining.retrain_if_due(session, project) is None
    found = retraining.decide(session, project, 10)
    assert (found.amount, found.reason) == (0, "Too few pairs: 10 to learn from, 0 to measure on.")


def _trained(session: Session, project: Project, stored: Any, form: MethodForm | None = None) -> Model:
    run = training.start(session, project, None, REWARD, form)
    claimed = run_work.claim(session, run.id, "w", "cpu")
    assert claimed is not None
    assert claimed.claim is not None
    run_work.finish(session, run.id, claimed.claim, RunState.SUCCEEDED)
    model = REWARD.finished(session, run, {"eval_accuracy": 0.7}, f"models/run-{run.id}")
    stored(model)
    return model


def test_a_finished_training_registers_its_model_and_queues_the_scoring(
    session: Session, project: Project, people: list[User], stored: Any
) -> None:
    enough(session, project, people)
    model = _trained(session, project, stored)
    assert (model.kind, model.state, model.name) == (ModelKind.REWARD, ModelState.READY, "Reward model 1")
    assert model.parent_id == project.base_model_id
    scoring = service.scoring_run(session, model)
    assert scoring is not None
    assert len(service.rows_to_score(session, scoring)) == 10  # two answers of five pairs
    again = REWARD.finished(session, session.get_one(Run, model.run_id), {}, "models/elsewhere")
    assert again.id == model.id


def test_scores_become_a_report(session: Session, project: Project, people: list[User], stored: Any) -> None:
    project.control_share = 0.0
    items = enough(session, project, people)
    waiting = [
        factories.item(session, factories.prompt(session, project), project.base_model, rank=0.1) for _ in range(3)
    ]
    model = _trained(session, project, stored)
    run = service.scoring_run(session, model)
    assert run is not None
    score = {item.responses[0].id: 1.0 for item in items} | {item.responses[1].id: 0.0 for item in items}
    rows = [
        row | {"score": score.get(row["response_id"], 0.0), "score_std": 0.1}
        for row in service.rows_to_score(session, run)
    ]
    assert len(rows) == 16
    rows[0]["score"] = None
    rows[0]["score_error"] = "too long"
    summary = service.add_scores(session, run, rows)
    assert summary == {"rows": 16, "scored": 15}
    assert run.summary == summary
    report = model.metrics["report"]
    assert report["holdout"]["labels"] == 1
    assert report["holdout"]["accuracy"] == 0.0  # people chose b there, the model favours a
    assert [row["label_id"] for row in report["disputed"]]
    session.expire_all()
    assert [session.get_one(Item, item.id).rank for item in waiting] == [0.1] * 3
    assert len(service.rows_to_score(session, run)) == 16  # none has features
    kept = [Features(row["response_id"], b"12345678", 3) for row in rows[:-1]]
    head_queries.add_features(session, model.id, kept)
    assert [row["response_id"] for row in service.rows_to_score(session, run)] == [
        rows[0]["response_id"],
        rows[-1]["response_id"],
    ]


def test_the_report_leaves_out_what_chose_the_checkpoint(
    session: Session, project: Project, people: list[User], stored: Any
) -> None:
    items = enough(session, project, people)
    items += [labelled(session, project, people, A, split=Split.HOLDOUT) for _ in range(3)]
    for item, digit in zip(items[4:], "04f9", strict=True):  # the first two choose
        item.prompt.content_hash = item.prompt.content_hash[:-1] + digit
    session.flush()
    _, holdout = snapshots.training_rows(session, snapshots.take(session, project))
    assert [row["chooses"] for row in holdout] == [True, True, False, False]
    model = _trained(session, project, stored)
    run = service.scoring_run(session, model)
    assert run is not None
    score = {item.responses[0].id: 1.0 for item in items}
    rows = [row | {"score": score.get(row["response_id"], 0.0)} for row in service.rows_to_score(session, run)]
    service.add_scores(session, run, rows)
    assert model.metrics["report"]["holdout"]["labels"] == 4  # too few pairs: nothing was chosen by them
    model.metrics = model.metrics | {"choosing_pairs": 2}
    assert service.build_report(session, model)["holdout"]["labels"] == 2
    for item in items[4:]:
        item.prompt.content_hash = item.prompt.content_hash[:-1] + "0"
    session.flush()
    assert service.build_report(session, model)["holdout"]["labels"] == 4  # all on one side: better than none


def test_a_disputed_item_is_asked_for_once_more(session: Session, project: Project, people: list[User]) -> None:
    item = labelled(session, project, people, A)
    service.ask_again(session, project, people[0], item.id)
    session.refresh(item)
    assert (item.overlap_target, item.slots_left, item.level) == (2, 1, Level.AGAIN)
    with pytest.raises(Conflict, match="waits for another label already"):
        service.ask_again(session, project, people[0], item.id)
    with pytest.raises(NotFound):
        service.ask_again(session, factories.project(session), people[0], item.id)


def test_a_text_by_hand_is_scored_by_a_run_of_its_own(
    session: Session, project: Project, people: list[User], stored: Any
) -> None:
    enough(session, project, people)
    model = _trained(session, project, stored)
    run = service.score_text(session, people[0], model, "Why?", "Because.")
    (row,) = service.rows_to_score(session, run)
    assert (row["prompt"], row["response"]) == ([{"role": "user", "content": "Why?"}], "Because.")
    service.add_scores(session, run, [row | {"score": 1.5}])
    assert run.summary is not None
    assert run.summary["scores"] == [{"score": 1.5, "score_std": None, "error": None}]
    registry.archive(session, model)
    with pytest.raises(Conflict, match="retired"):
        service.score_text(session, people[0], model, "Why?", "Because.")
    assert get_settings().store.exists()
