"""Starting PPO, promotion on evidence, roll-back."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import (
    AuditEvent,
    Item,
    Model,
    ModelKind,
    Outcome,
    Project,
    Purpose,
    Run,
    RunKind,
    RunState,
    SamplingConfig,
    TrainingConfig,
    User,
)
from app.policies import service
from app.policies.ppo import PPO
from app.runs import training
from app.web.errors import Conflict, Invalid, NotFound
from tests import factories


@pytest.fixture
def project(session: Session, stored: Any) -> Project:
    project = factories.project(session)
    stored(project.base_model)
    return project


@pytest.fixture
def manager(session: Session) -> User:
    return factories.user(session)


@pytest.fixture
def reward(session: Session, project: Project, stored: Any) -> Model:
    model: Model = factories.model(session, project, kind=ModelKind.REWARD, name="Reward model 1")
    stored(model)
    return model


@pytest.fixture
def policy(session: Session, project: Project, stored: Any) -> Model:
    model: Model = factories.model(session, project, name="Policy 1")
    stored(model)
    return model


def judged(
    session: Session, project: Project, policy: Model, baseline: Model, wins: int, losses: int, ties: int = 0
) -> Run:
    """An evaluation with that outcome."""
    run = factories.run(
        session,
        project,
        RunKind.EVALUATION,
        state=RunState.SUCCEEDED,
        model_id=policy.id,
        baseline_id=baseline.id,
    )
    person = factories.user(session)
    for choice in [Outcome.FIRST] * wins + [Outcome.SECOND] * losses + [Outcome.TIE] * ties:
        prompt = factories.prompt(session, project)
        new, old = factories.response(session, prompt, policy), factories.response(session, prompt, baseline)
        item = factories.item(
            session,
            prompt,
            policy,
            responses=[new, old],
            run_id=run.id,
            purpose=Purpose.EVALUATION,
            slots_left=0,
        )
        factories.label(session, item, person, choice)
    return run


def test_ppo_starts_against_the_newest_reward_model(
    session: Session, project: Project, reward: Model, manager: User
) -> None:
    run = training.start(session, project, manager, PPO, PPO.form(seed=3, beta=0.1))
    assert (run.method, run.model_id, run.reward_model_id) == ("ppo", project.base_model_id, reward.id)
    assert run.asked(TrainingConfig).settings["beta"] == 0.1
    assert not {"reward_model_id", "start_from", "needs_gpu"} & run.asked(TrainingConfig).settings.keys()
    with pytest.raises(Conflict, match="PPO is running already"):
        training.start(session, project, manager, PPO)


def test_ppo_starts_from_the_promoted_policy_or_from_the_base_model(
    session: Session, project: Project, reward: Model, policy: Model, manager: User
) -> None:
    project.policy = policy
    session.flush()
    run = training.start(session, project, manager, PPO)
    assert run.model_id == policy.id
    run.state = RunState.CANCELLED
    session.flush()
    assert training.start(session, project, manager, PPO, PPO.form(start_from="base")).model_id == project.base_model_id


def test_ppo_without_a_fitting_reward_model_is_refused(
    session: Session, project: Project, manager: User, stored: Any
) -> None:
    with pytest.raises(Conflict, match="no reward model yet"):
        training.start(session, project, manager, PPO)
    other = factories.model(session, factories.project(session), kind=ModelKind.REWARD)
    with pytest.raises(Invalid, match="Choose a reward model of this project"):
        training.start(session, project, manager, PPO, PPO.form(reward_model_id=other.id))


def test_files_that_are_gone_are_named(session: Session, project: Project, manager: User) -> None:
    factories.model(session, project, kind=ModelKind.REWARD, name="Reward model 1")
    with pytest.raises(Conflict, match="files of Reward model 1 are gone"):
        training.start(session, project, manager, PPO)


def test_a_finished_run_registers_its_policy_once(session: Session, project: Project, reward: Model) -> None:
    run = training.start(session, project, None, PPO)
    made = [PPO.finished(session, run, {"kl": 3.0}, "models/run-1") for _ in range(2)]
    assert made[0].id == made[1].id
    assert (made[0].name, made[0].parent_id, made[0].metrics) == ("Policy 1", project.base_model_id, {"kl": 3.0})


def test_promotion_without_evidence_asks_twice_and_says_so_in_the_trail(
    session: Session, project: Project, policy: Model, manager: User
) -> None:
    with pytest.raises(Conflict, match="has no blind evaluation against"):
        service.promote(session, project, manager, policy)
    assert project.policy_id is None
    service.promote(session, project, manager, policy, confirm_without_evaluation=True)
    assert service.current_policy(project).id == policy.id
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "policy.promoted")).one()
    assert (event.actor_id, event.subject_id) == (manager.id, policy.id)
    assert event.details == {"previous": project.base_model_id, "evaluation": None, "confirmed": True}
    with pytest.raises(Conflict, match="is the current policy already"):
        service.promote(session, project, manager, policy)


def test_promotion_on_evidence_needs_no_confirmation(
    session: Session, project: Project, policy: Model, manager: User
) -> None:
    run = judged(session, project, policy, project.base_model, wins=20, losses=6, ties=2)
    assert service.doubt(session, project, policy) is None
    service.promote(session, project, manager, policy)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "policy.promoted")).one()
    assert event.details["evaluation"]["run"] == run.id
    assert event.details["evaluation"]["judged"] == 28
    assert event.details["evaluation"]["rate"] == pytest.approx(21 / 28)


def test_a_policy_that_people_like_less_has_to_be_confirmed(
    session: Session, project: Project, policy: Model, manager: User
) -> None:
    judged(session, project, policy, project.base_model, wins=3, losses=37)
    with pytest.raises(Conflict, match="People prefer base"):
        service.promote(session, project, manager, policy)


def test_roll_back_walks_down_the_promotions(
    session: Session, project: Project, policy: Model, manager: User, stored: Any
) -> None:
    second = factories.model(session, project, name="Policy 2", parent_id=policy.id)
    stored(second)
    with pytest.raises(Conflict, match="nothing to roll back to"):
        service.roll_back(session, project, manager)
    service.promote(session, project, manager, policy, True)
    service.promote(session, project, manager, second, True)
    assert service.current_policy(service.roll_back(session, project, manager)).id == policy.id
    assert service.current_policy(service.roll_back(session, project, manager)).id == project.base_model_id
    assert project.policy_id is None


def test_of_two_promotions_at_once_the_second_is_refused(
    session: Session, project: Project, policy: Model, manager: User
) -> None:
    from app.projects import queries

    assert queries.set_current_policy(session, project.id, None, policy.id)
    assert not queries.set_current_policy(session, project.id, None, project.base_model_id)


def test_promotion_refreshes_the_items_nobody_has_touched(
    session: Session, project: Project, policy: Model, manager: User
) -> None:
    person = factories.user(session)
    untouched = factories.item(session, factories.prompt(session, project), project.base_model, overlap_target=2)
    to_write = factories.item(
        session, factories.prompt(session, project), project.base_model, kind="demonstration", responses=[]
    )
    leased = factories.item(
        session, factories.prompt(session, project), project.base_model, overlap_target=2, slots_left=1
    )
    factories.assignment(session, leased, person)
    evaluation = factories.item(
        session, factories.prompt(session, project), project.base_model, purpose=Purpose.EVALUATION
    )
    service.promote(session, project, manager, policy, True)
    session.expire_all()
    withdrawn = [
        item for item in (untouched, leased, evaluation, to_write) if session.get_one(Item, item.id).withdrawn_at
    ]
    assert withdrawn == [untouched]
    [run] = session.scalars(select(Run).where(Run.project_id == project.id, Run.kind == RunKind.SAMPLING)).all()
    assert (run.model_id, run.automatic, len(run.asked(SamplingConfig).prompt_ids)) == (policy.id, True, 1)


def test_promotion_keeps_the_items_where_the_project_says_so(
    session: Session, project: Project, policy: Model, manager: User
) -> None:
    project.automation = project.automation.model_copy(update={"refresh_pairs": False})
    item = factories.item(session, factories.prompt(session, project), project.base_model)
    service.promote(session, project, manager, policy, True)
    session.refresh(item)
    assert item.withdrawn_at is None


def test_a_policy_of_another_project_does_not_exist_here(session: Session, project: Project) -> None:
    other = factories.model(session, factories.project(session))
    with pytest.raises(NotFound):
        service.get(session, project, other.id)
    with pytest.raises(NotFound):
        service.get(session, project, factories.model(session, project, kind=ModelKind.REWARD).id)
    assert service.get(session, project, project.base_model_id).id == project.base_model_id
