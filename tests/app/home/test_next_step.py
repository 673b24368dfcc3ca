"""The next sensible step over the situations of a project, read from its rows."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.annotation.demonstration import DemonstrationValue
from app.home import service
from app.models import (
    ItemResponse,
    Label,
    Model,
    ModelKind,
    ModelState,
    Outcome,
    Project,
    PromptStatus,
    Purpose,
    Run,
    RunKind,
    RunState,
    Split,
    User,
)
from app.policies.advice import OTHERWISE
from app.registry import service as registry
from app.rewards.service import FIRST_TRAINING
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def project(session: Session) -> Project:
    made: Project = factories.project(session, name="Ours")
    return made


@pytest.fixture
def person(session: Session) -> User:
    made: User = factories.user(session)
    return made


def step(session: Session, project: Project) -> service.Step:
    session.flush()
    session.expire_all()
    return service.next_step(service.situation(session, project))


def labels(session: Session, project: Project, person: User, count: int) -> None:
    prompt = factories.prompt(session, project)
    for _ in range(count):
        item = factories.item(session, prompt, project.base_model, slots_left=0)
        factories.label(session, item, person)


def open_item(session: Session, project: Project, **over: Any) -> None:
    factories.item(session, factories.prompt(session, project), project.base_model, **over)


def reward_model(session: Session, project: Project, name: str = "Reward model 1") -> Model:
    snapshot = factories.snapshot(session, project)
    run = factories.training(session, project, "reward", state=RunState.SUCCEEDED, snapshot_id=snapshot.id)
    made: Model = factories.model(session, project, kind=ModelKind.REWARD, name=name, run_id=run.id)
    return made


def policy(session: Session, project: Project, reward: Model, name: str = "Policy 1") -> Model:
    run = factories.training(session, project, "ppo", state=RunState.SUCCEEDED, reward_model_id=reward.id)
    made: Model = factories.model(session, project, name=name, run_id=run.id)
    return made


def evaluation(
    session: Session, project: Project, new: Model, person: User, wins: int, losses: int, waiting: int
) -> Run:
    old = project.policy or project.base_model
    run: Run = factories.run(
        session,
        project,
        RunKind.EVALUATION,
        state=RunState.SUCCEEDED,
        model_id=new.id,
        baseline_id=old.id,
    )
    for choice in [Outcome.FIRST] * wins + [Outcome.SECOND] * losses + [None] * waiting:
        prompt = factories.prompt(session, project)
        item = factories.item(
            session,
            prompt,
            new,
            responses=[factories.response(session, prompt, model) for model in (new, old)],
            run_id=run.id,
            purpose=Purpose.EVALUATION,
            slots_left=int(choice is None),
        )
        if choice is not None:
            factories.label(session, item, person, choice)
    return run


def test_the_base_model_comes_first(session: Session, project: Project) -> None:
    project.base_model.state = ModelState.PREPARING
    found = step(session, project)
    assert (found.title, found.href) == ("Wait for the base model", None)
    run = factories.run(session, project, RunKind.PREPARATION)
    assert step(session, project).href == f"/projects/{project.id}/runs/{run.id}"
    project.base_model.state, project.base_model.error = ModelState.FAILED, "There is no folder /models/x."
    found = step(session, project)
    assert (found.title, found.reason) == ("The base model cannot be used", "There is no folder /models/x.")


def test_then_prompts(session: Session, project: Project) -> None:
    assert step(session, project).title == "Import prompts"
    factories.prompt(session, project, status=PromptStatus.REVIEW)
    assert step(session, project).title == "Import prompts"


def test_then_items_and_labels(session: Session, project: Project, person: User) -> None:
    factories.prompt(session, project)
    assert step(session, project).title == "Wait for pairs"
    sampling = factories.run(session, project, RunKind.SAMPLING, state=RunState.RUNNING)
    assert f"Run {sampling.id} is sampling" in step(session, project).reason
    sampling.state = RunState.SUCCEEDED
    open_item(session, project)
    labels(session, project, person, 10)
    found = step(session, project)
    reason = "50 more labels until the first reward model is worth training."
    assert (found.title, found.reason) == ("Compare answers", reason)
    assert found.href == f"/projects/{project.id}/label"


def test_sampling_switched_off_is_said(session: Session, project: Project) -> None:
    factories.prompt(session, project)
    project.automation = project.automation.model_copy(update={"keep_queue_filled": False})
    assert step(session, project).title == "Sample pairs"
    factories.prompt(session, project, status=PromptStatus.REVIEW)
    assert step(session, project).title == "Review prompts"


def test_a_failed_run_is_looked_at_first(session: Session, project: Project, person: User) -> None:
    labels(session, project, person, FIRST_TRAINING)
    failed = factories.training(session, project, "reward", state=RunState.FAILED, error="The disk is full.")
    found = step(session, project)
    assert (found.title, found.reason) == (f"Look at run {failed.id}", "It failed: The disk is full.")
    factories.training(session, project, "reward", state=RunState.QUEUED)  # tried again
    assert step(session, project).title != found.title


def test_the_first_reward_model(session: Session, project: Project, person: User) -> None:
    open_item(session, project)
    labels(session, project, person, FIRST_TRAINING)
    found = step(session, project)
    assert found.title == "Train a reward model"
    assert found.reason == "You have 60 labels, enough for a first reward model."
    assert found.href == f"/projects/{project.id}/train/reward"
    factories.training(session, project, "reward", state=RunState.RUNNING)
    assert step(session, project).title == "Compare answers"


def test_a_new_reward_model_after_so_many_labels(session: Session, project: Project, person: User) -> None:
    reward = reward_model(session, project)
    policy(session, project, reward)
    project.policy_id = None
    open_item(session, project)
    project.automation = project.automation.model_copy(update={"labels_between_rewards": 12})
    labels(session, project, person, 12)
    assert service.situation(session, project).new_labels == 12
    newest = registry.newest(session, project.id, ModelKind.POLICY)
    project.policy_id = newest.id if newest else None  # in use: nothing to decide on
    found = step(session, project)
    assert found.reason == "12 new labels since the last reward model."
    project.automation = project.automation.model_copy(update={"retrain_reward": True})
    assert step(session, project).title == "Compare answers"  # it trains by itself


def test_a_policy_for_a_new_reward_model(session: Session, project: Project) -> None:
    factories.prompt(session, project)
    reward = reward_model(session, project)
    found = step(session, project)
    assert found.title == "Train a policy with PPO"
    assert found.reason == f"No policy has learned from Reward model 1 yet. {OTHERWISE}"
    ppo = factories.training(session, project, "ppo", state=RunState.RUNNING)
    found = step(session, project)
    assert (found.title, found.href) == ("Watch the training", f"/projects/{project.id}/runs/{ppo.id}")
    ppo.state = RunState.SUCCEEDED
    trained = policy(session, project, reward)
    project.policy_id = trained.id
    assert step(session, project).title == "Wait for pairs"


def test_a_reward_model_that_is_surely_better_than_chance_is_trained_against(
    session: Session, project: Project
) -> None:
    factories.prompt(session, project)
    model = reward_model(session, project)
    model.metrics = {"eval_accuracy": 0.71, "eval_accuracy_low": 0.58, "eval_accuracy_high": 0.81}
    found = step(session, project)
    assert found.title == "Train a policy with PPO"
    assert found.reason == (
        "Reward model 1 agrees with people on 71% of the holdout pairs (58% to 81%). "
        f"No policy has learned from Reward model 1 yet. {OTHERWISE}"
    )
    factories.training(session, project, "rloo", state=RunState.SUCCEEDED, reward_model_id=model.id)
    assert step(session, project).title == "Wait for pairs"  # by whatever method


def test_labels_too_few_for_a_reward_model_are_learned_from_directly(session: Session, project: Project) -> None:
    factories.prompt(session, project)
    model = reward_model(session, project)
    model.metrics = {"eval_accuracy": 0.56, "eval_accuracy_low": 0.41, "eval_accuracy_high": 0.7}
    run = session.get_one(Run, model.run_id)
    assert run.snapshot is not None
    run.snapshot.label_count = 64
    found = step(session, project)
    assert (found.title, found.href) == ("Train a policy with DPO", f"/projects/{project.id}/train/dpo")
    assert found.reason == (
        "Reward model 1 agrees with people on 56% of the holdout pairs (41% to 70%). "
        "With 64 labels that may be chance; DPO learns from the labels themselves, without it."
    )
    factories.training(session, project, "dpo", state=RunState.SUCCEEDED, snapshot_id=run.snapshot_id)
    assert step(session, project).title == "Wait for pairs"


def test_what_people_wrote_is_fine_tuned_on(session: Session, project: Project, person: User) -> None:
    written: list[Label] = []

    def write(count: int, split: Split = Split.TRAIN) -> None:
        for _ in range(count):
            prompt = factories.prompt(session, project, split=split)
            item = factories.item(session, prompt, project.base_model, kind="demonstration", responses=[], slots_left=0)
            label = Label(
                project_id=project.id, item_id=item.id, annotator_id=person.id, order=[8],
                value=DemonstrationValue(text="Written."),
            )  # fmt: skip
            session.add(label)
            session.flush()
            response = factories.response(session, prompt, author_id=person.id)
            session.add(ItemResponse(item_id=item.id, position=8, response=response, label_id=label.id))
            written.append(label)

    write(19)
    write(5, Split.HOLDOUT)
    assert step(session, project).title != "Fine-tune on written responses"
    write(1)
    found = step(session, project)
    assert found.title == "Fine-tune on written responses"
    assert found.reason == "People have written 20 responses that no policy has learned from yet."
    snapshot = factories.snapshot(session, project, written)
    factories.training(session, project, "sft", state=RunState.SUCCEEDED, snapshot_id=snapshot.id)
    assert step(session, project).title != found.title


def test_a_new_policy_is_evaluated_judged_and_promoted(session: Session, project: Project, person: User) -> None:
    factories.prompt(session, project)
    trained = policy(session, project, reward_model(session, project))
    found = step(session, project)
    assert (found.title, found.href) == ("Evaluate Policy 1", f"/projects/{project.id}/policies/{trained.id}#launch")
    evaluation(session, project, trained, person, wins=3, losses=2, waiting=4)
    found = step(session, project)
    assert found.reason == "4 evaluation pairs of Policy 1 wait for a judgement; they come first."
    evaluation(session, project, trained, person, wins=30, losses=4, waiting=0)
    found = step(session, project)
    assert found.title == "Promote Policy 1"
    assert found.reason.startswith("People prefer it: 88% wins")
    project.policy_id = trained.id
    session.flush()
    assert step(session, project).title != "Promote Policy 1"


def test_a_policy_that_lost_is_left_alone(session: Session, project: Project, person: User) -> None:
    trained = policy(session, project, reward_model(session, project))
    evaluation(session, project, trained, person, wins=3, losses=30, waiting=0)
    assert step(session, project).title == "Wait for pairs"


def test_the_page_and_the_api_show_the_numbers_of_the_database(
    as_: As, cast: Cast, session: Session, client: Browser
) -> None:
    labels(session, cast.project, cast.annotator, 7)
    open_item(session, cast.project)
    browser = as_("manager")
    page = browser.get(f"/projects/{cast.project.id}").text
    assert "<b>7</b><span>in all</span>" in page
    assert "<b>1</b><span>wait for a label</span>" in page
    assert "7 in the last hour" in page
    assert " style=" not in page
    loop = client.get(f"/api/v1/projects/{cast.project.id}/loop", headers=client.bearer(cast.manager)).json()
    assert (loop["labels"], loop["new_labels"], loop["open_items"], loop["prompts"]) == (7, 7, 1, 2)
    assert loop["next_step"]["title"] == "Compare answers"


def test_annotators_go_straight_to_their_work(as_: As, cast: Cast) -> None:
    answer = as_("annotator").get(f"/projects/{cast.project.id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/projects/{cast.project.id}/label")
