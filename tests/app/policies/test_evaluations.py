"""Blind evaluations: which items are made, and what their labels say."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import (
    EvaluationConfig,
    Item,
    Label,
    Level,
    Model,
    ModelKind,
    Outcome,
    Project,
    Purpose,
    Run,
    RunState,
    Split,
    User,
)
from app.policies import evaluations, queries, results
from app.policies.intervals import anytime_interval
from app.web.errors import Conflict, Invalid
from app.web.markdown import rendering
from tests import factories


@pytest.fixture
def project(session: Session, stored: Any) -> Project:
    project = factories.project(session)
    stored(project.base_model)
    for n in range(6):
        factories.prompt(session, project, f"Holdout {n}?", split=Split.HOLDOUT)
        factories.prompt(session, project, f"Train {n}?")
    return project


@pytest.fixture
def policy(session: Session, project: Project, stored: Any) -> Model:
    model: Model = factories.model(session, project, name="Policy 1")
    stored(model)
    return model


@pytest.fixture
def people(session: Session) -> list[User]:
    return [factories.user(session) for _ in range(2)]


def answers(prompts: list[dict[str, Any]], word: str, n: int, same: set[int] = frozenset()) -> list[dict[str, Any]]:  # type: ignore[assignment]
    """What the sampler writes; prompts at the places `same` get an answer that does not depend on the word."""
    return [
        prompt
        | {
            "responses": [
                {
                    "text": f"Answer {draw}" if place in same else f"{word} {place} {draw}",
                    "finish_reason": "stop",
                    "tokens": 3,
                    "strategy": "stochastic",
                    "temperature": 1.0,
                    "top_p": 1.0,
                    "top_k": 0,
                    "seed": 0,
                    "logprob": -1.0,
                }
                for draw in range(n)
            ]
        }
        for place, prompt in enumerate(prompts)
    ]


def made(
    session: Session, project: Project, policy: Model, comparisons: int = 6, overlap: int = 1, same: int = 0
) -> Run:
    run = evaluations.start_evaluation(session, project, None, policy, [project.base_model], comparisons, overlap)
    prompts = evaluations.evaluation_prompts(session, run)
    n = run.asked(EvaluationConfig).settings.n
    equal = set(range(same))
    new, old = answers(prompts, "new", n, equal), answers(prompts, "old", n, equal)
    evaluations.add_evaluation_items(session, run, [new, old])
    assert evaluations.add_evaluation_items(session, run, [new, old]) == 0  # a second time adds nothing
    assert all(item.prompt.html_by == rendering() for item in items_of(session, run))
    return run


def items_of(session: Session, run: Run) -> list[Item]:
    return list(session.scalars(select(Item).where(Item.run_id == run.id).order_by(Item.rank, Item.id)))


def test_holdout_prompts_only_and_several_answers_where_there_are_too_few(
    session: Session, project: Project, policy: Model
) -> None:
    run = made(session, project, policy, comparisons=15)
    assert run.asked(EvaluationConfig).settings.n == 3
    items = items_of(session, run)
    assert len(items) == 15
    assert {item.prompt.split for item in items} == {Split.HOLDOUT}
    per_prompt = session.execute(select(func.count()).where(Item.run_id == run.id).group_by(Item.prompt_id))
    assert sorted(per_prompt.scalars()) == [2, 2, 2, 3, 3, 3]  # every prompt twice before any a third time
    assert {(item.purpose, item.level) for item in items} == {(Purpose.EVALUATION, Level.EVALUATION)}
    for item in items:
        models = {response.model_id for response in item.responses}
        assert models == {policy.id, project.base_model_id}


def test_policies_are_not_compared_on_prompts_that_chose_one(session: Session, project: Project, policy: Model) -> None:
    for number in range(1000, 1000 + 32):  # 10 of them choose
        factories.prompt(session, project, split=Split.HOLDOUT, content_hash=f"{number:064x}")
    run = evaluations.start_evaluation(session, project, None, policy, [project.base_model], 100)
    asked = queries.prompts(session, run.asked(EvaluationConfig).prompt_ids)
    assert len(asked) >= 22
    assert not any(prompt.chooses for prompt in asked)


def test_where_nearly_all_prompts_chose_they_are_compared_on(session: Session, policy: Model) -> None:
    few = factories.project(session)
    held = [
        factories.prompt(session, few, split=Split.HOLDOUT, content_hash=f"{number:064x}")
        for number in (0, 1, 2, 3, 16, 17, 6, 7)
    ]
    assert sorted(queries.holdout_prompt_ids(session, few.id, 100)) == [prompt.id for prompt in held]
    assert queries.holdout_prompt_ids(session, few.id, 2) == [held[6].id, held[7].id]  # these two did not choose


def test_the_win_rate_counts_ties_and_both_bad_as_half(
    session: Session, project: Project, policy: Model, people: list[User]
) -> None:
    run = made(session, project, policy)
    choices = [Outcome.FIRST, Outcome.FIRST, Outcome.SECOND, Outcome.TIE, Outcome.BOTH_BAD]
    for item, choice in zip(items_of(session, run), choices, strict=False):
        item.slots_left = 0
        factories.label(session, item, people[0], choice)
    result = results.evaluation_result(session, run)
    assert (result.items, result.judged, result.equal) == (6, 5, 0)
    assert (result.wins, result.losses, result.ties, result.both_bad) == (2, 1, 1, 1)
    assert result.rate == pytest.approx((2 + 0.5 + 0.5) / 5)
    interval = anytime_interval([1, 1, 0, 0.5, 0.5])
    assert (result.low, result.high) == (interval.low, interval.high)


def test_an_item_counts_once_all_its_labels_are_there(
    session: Session, project: Project, policy: Model, people: list[User]
) -> None:
    run = made(session, project, policy, overlap=2)
    first, second = items_of(session, run)[:2]
    for item, given in ((first, [Outcome.FIRST, Outcome.TIE]), (second, [Outcome.FIRST])):
        for person, choice in zip(people, given, strict=False):
            factories.label(session, item, person, choice)
    result = results.evaluation_result(session, run)
    assert (result.judged, result.rate, result.wins, result.ties) == (1, 0.75, 0.5, 0.5)


def test_a_prompt_counts_once_all_its_items_are_judged_and_as_one(
    session: Session, project: Project, policy: Model, people: list[User]
) -> None:
    run = made(session, project, policy, comparisons=12)
    first, second, other = items_of(session, run)[:3]
    assert first.prompt_id == second.prompt_id != other.prompt_id  # the items of a prompt follow each other
    factories.label(session, first, people[0], Outcome.FIRST)
    factories.label(session, other, people[0], Outcome.FIRST)
    assert (results.evaluation_result(session, run).judged, results.evaluation_result(session, run).rate) == (0, None)
    factories.label(session, second, people[0], Outcome.SECOND)
    result = results.evaluation_result(session, run)
    assert (result.judged, result.rate, result.wins, result.losses) == (2, 0.5, 1, 1)
    assert (result.low, result.high) == (anytime_interval([0.5]).low, anytime_interval([0.5]).high)


def test_prompts_are_asked_in_random_order(session: Session, project: Project, policy: Model) -> None:
    """Not in that in which they came: of six prompts, in ten evaluations, none is always the first."""
    firsts = set()
    for _ in range(10):
        run = made(session, project, policy)
        run.state = RunState.SUCCEEDED
        firsts.add(items_of(session, run)[0].prompt_id)
    assert len(firsts) > 1


def test_equal_answers_are_ties_that_nobody_is_asked_about(
    session: Session, project: Project, policy: Model, people: list[User]
) -> None:
    run = made(session, project, policy, same=2)
    assert run.summary == {"pairs": 4, "equal_answers": 2}
    nothing_yet = results.evaluation_result(session, run)
    assert (nothing_yet.rate, nothing_yet.low, nothing_yet.high) == (
        None,
        pytest.approx(1 / 6),
        pytest.approx(5 / 6),
    )
    for item in items_of(session, run):
        factories.label(session, item, people[0], Outcome.FIRST)
    result = results.evaluation_result(session, run)
    assert (result.judged, result.equal) == (4, 2)
    assert result.rate == pytest.approx((4 + 2 * 0.5) / 6)
    assert result.low == pytest.approx(1 / 6 + 4 / 6 * anytime_interval([1.0] * 4).low)


def test_a_superseded_label_does_not_count(
    session: Session, project: Project, policy: Model, people: list[User]
) -> None:
    run = made(session, project, policy)
    item = items_of(session, run)[0]
    old: Label = factories.label(session, item, people[0], Outcome.FIRST)
    old.superseded_at = func.now()
    session.flush()
    factories.label(session, item, people[0], Outcome.SECOND, assignment_id=old.assignment_id)
    result = results.evaluation_result(session, run)
    assert (result.wins, result.losses) == (0, 1)


def test_what_cannot_be_compared_is_refused(session: Session, project: Project, policy: Model, stored: Any) -> None:
    def start(new: Model, old: Model) -> Run:
        return evaluations.start_evaluation(session, project, None, new, [old])

    with pytest.raises(Invalid, match="different policies"):
        start(policy, policy)
    reward = factories.model(session, project, kind=ModelKind.REWARD)
    stored(reward)
    with pytest.raises(Invalid, match="is a reward model: it scores responses and gives none"):
        start(policy, reward)
    with pytest.raises(Conflict, match="gone from the store"):
        start(factories.model(session, project), project.base_model)
    empty = factories.project(session, base_model_id=project.base_model_id)
    with pytest.raises(Conflict, match="no holdout prompts"):
        evaluations.start_evaluation(session, empty, None, policy, [project.base_model])
