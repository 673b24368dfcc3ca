"""A sampling plan: which models are asked how, and which of their responses are put side by side."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.items import plan, service
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.policies import queries as policy_queries
from app.web.errors import Conflict
from tests import factories
from tests.app.items.test_sampling import drawn
from tests.asking import asking

TEXTS = st.lists(st.lists(st.sampled_from(["", " ", "a", "b", "b ", "c", "d"]), max_size=5), min_size=1, max_size=4)


@given(TEXTS, st.integers(2, 8), st.booleans(), st.integers(0, 1000))
def test_what_is_chosen_is_distinct_and_from_as_many_sources_as_can_be(
    texts: list[list[str]], shown: int, across: bool, seed: int
):
    chosen = plan.choose(texts, shown, across, Random(seed))
    assert chosen == plan.choose(texts, shown, across, Random(seed))
    if chosen is None:
        return
    said = [texts[source][place].strip() for source, place in chosen]
    assert len(chosen) == len(set(said)) == shown
    assert all(said)
    if across:
        assert {source for source, _ in chosen} == set(range(len(texts))) or len(texts) > shown
        assert len({source for source, _ in chosen}) == min(shown, len(texts))


@given(st.integers(0, 10_000))
def test_one_against_the_other(seed: int):
    chosen = plan.choose([["a1", "a2"], ["b1", "b2"]], 2, True, Random(seed))
    assert sorted(source for source, _ in chosen or []) == [0, 1]


def test_over_many_prompts_every_response_is_shown_about_as_often():
    seen = [plan.choose([["a", "b", "c", "d"]], 2, True, Random(seed)) for seed in range(2_000)]
    counts = [sum((0, place) in (each or []) for each in seen) for place in range(4)]
    # Each is shown with probability 1/2: 1,000 of 2,000, with a standard deviation of 22.
    assert all(abs(count - 1_000) < 110 for count in counts)
    pairs = {
        tuple(sorted(each or []))
        for each in (plan.choose([["a"], ["b", "c"]], 2, False, Random(s)) for s in range(200))
    }
    assert len(pairs) == 3  # any of them: b against c too


def test_where_one_source_has_nothing_of_its_own_there_is_no_comparison():
    assert plan.choose([["a"], ["a "]], 2, True, Random(1)) is None
    assert plan.choose([["a", "b"], []], 2, True, Random(1)) is None
    assert plan.choose([["a", "b"], []], 2, False, Random(1)) is not None


@pytest.fixture
def project(session: Session) -> m.Project:
    project = factories.project(session, queue_depth=3)
    for _ in range(4):
        factories.prompt(session, project)
    return project


def set_plan(project: m.Project, *sources: PlannedSource, **more: Any) -> None:
    project.plan = SamplingPlan(sources=list(sources), **more)


def test_one_response_is_drawn_where_an_item_shows_one(session: Session, project: m.Project):
    project.answer = asking({"demonstration": {"share": 1}}, share=0)
    run = service.plan_sampling(session, project)
    assert run is not None
    [part] = plan.parts_of(session, run)
    assert (part.settings.n, part.settings.strategy, run.asked(m.SamplingConfig).others) == (1, "stochastic", [])
    prompt_id = run.asked(m.SamplingConfig).prompt_ids[0]
    item = service.add_sampled(session, run, prompt_id, [[drawn("A start.")]])
    assert item is not None
    assert [response.text for response in item.responses] == ["A start."]
    theirs = factories.endpoint(session)
    set_plan(project, PlannedSource(responses=1), PlannedSource(model_id=theirs.id, responses=3, strategy="greedy"))
    asked = [plan.parts(session, project, seed, 1) for seed in range(400)]
    assert {len(parts) for parts in asked} == {1}
    assert {parts[0].settings.n for parts in asked} == {1}
    share = sum(parts[0].model.id == theirs.id for parts in asked)
    assert abs(share - 300) < 35  # three of four, with a standard deviation of 8.7
    assert {parts[0].settings.strategy for parts in asked if parts[0].model.id == theirs.id} == {"greedy"}


def test_a_plan_of_two_models(session: Session, project: m.Project):
    theirs = factories.endpoint(session)
    set_plan(project, PlannedSource(responses=1), PlannedSource(model_id=theirs.id, responses=3, temperature=0.3))
    run = service.plan_sampling(session, project)
    assert run is not None
    ours, other = plan.parts_of(session, run)
    assert (ours.model.id, ours.settings.n, ours.settings.temperature) == (project.base_model_id, 1, 1.0)
    assert (other.model.id, other.settings.n, other.settings.temperature) == (theirs.id, 3, 0.3)
    assert ours.settings.seed != other.settings.seed
    item = service.add_sampled(
        session,
        run,
        run.asked(m.SamplingConfig).prompt_ids[0],
        [[drawn("ours")], [drawn(f"theirs {n}", tokens=None) for n in range(3)]],
    )
    assert item is not None
    assert sorted({response.model_id for response in item.responses}) == [project.base_model_id, theirs.id]
    kept = session.scalars(select(m.Response).where(m.Response.run_id == run.id)).all()
    assert sorted(each.text for each in kept) == ["ours", "theirs 0", "theirs 1", "theirs 2"]


def test_an_item_that_needs_more_gets_more(session: Session, project: m.Project):
    theirs = factories.endpoint(session)
    set_plan(project, PlannedSource(responses=2), PlannedSource(model_id=theirs.id, responses=1))
    assert [part.settings.n for part in plan.parts(session, project, 0, least=6)] == [4, 2]
    assert [part.settings.n for part in plan.parts(session, project, 0, least=2)] == [2, 1]


def test_a_plan_without_the_policy_in_use_is_not_refilled_for_ever(session: Session, project: m.Project):
    one, two = factories.endpoint(session), factories.endpoint(session)
    set_plan(project, PlannedSource(model_id=one.id, responses=1), PlannedSource(model_id=two.id, responses=1))
    run = service.plan_sampling(session, project)
    assert run is not None
    for prompt_id in run.asked(m.SamplingConfig).prompt_ids:
        assert service.add_sampled(session, run, prompt_id, [[drawn("one")], [drawn("two")]])
    run.state = m.RunState.SUCCEEDED
    session.flush()
    assert service.plan_sampling(session, project) is None


def test_a_retired_endpoint_is_told_and_nothing_is_queued(session: Session, project: m.Project):
    theirs = factories.endpoint(session, name="Theirs", state=m.ModelState.ARCHIVED, offered=False)
    set_plan(project, PlannedSource(responses=1), PlannedSource(model_id=theirs.id, responses=1))
    assert service.plan_sampling(session, project) is None
    with pytest.raises(Conflict, match=r"Theirs is not ready \(archived\)"):
        service.plan_sampling(session, project, automatic=False)


def test_a_model_that_a_waiting_run_asks_is_in_use(session: Session, project: m.Project):
    policy = factories.model(session, project)
    set_plan(project, PlannedSource(responses=1), PlannedSource(model_id=policy.id, responses=1))
    assert policy_queries.uses_of(session, policy.id) == 0
    assert service.plan_sampling(session, project) is not None
    assert policy_queries.uses_of(session, policy.id) == 1
    assert policy_queries.uses_of(session, policy.id * 10) == 0
