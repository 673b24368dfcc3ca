"""Which two of several responses pairs show: a real sampler and the trunk of a real, tiny reward model."""

from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from app import models as m
from app.db import task_session
from app.items import plan
from app.items import service as items
from app.models.project_settings import SamplingSettings
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.rewards import features
from app.settings import get_settings
from rlhf.feature_space import FeatureSpace
from rlhf.live_head import LiveHead
from rlhf.reward_files import new_reward_model
from rlhf.tiny_model import tiny_model
from tests import factories
from workers.runs.execution import execute

PROMPTS = 4


def test_every_two_that_may_be_shown() -> None:
    texts = [["one", "two", "one"], ["three", ""]]
    assert plan.pairs(texts, across=False) == [
        ((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 1), (0, 2)), ((0, 1), (1, 0)), ((0, 2), (1, 0)),
    ]  # fmt: skip
    assert plan.pairs(texts, across=True) == [((0, 0), (1, 0)), ((0, 1), (1, 0)), ((0, 2), (1, 0))]


def stored(artifact: Any, seed: int, reward: bool) -> Path:
    folder = get_settings().store / str(artifact)
    model, tokenizer = tiny_model(seed)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if reward:
        made = new_reward_model(folder, tokenizer)
        made.save(folder.with_suffix(".made"), tokenizer, mean=0.0, std=1.0)
        folder.rename(folder.with_suffix(".base"))
        folder.with_suffix(".made").rename(folder)
    return folder


@pytest.fixture
def project(database: str) -> int:
    """Six responses to each of some prompts, one of them held out, and a head that knows something."""
    with task_session() as session:
        base = factories.base_model(session, source="tiny:1")
        stored(base.artifact, 1, reward=False)
        short = SamplingSettings(max_new_tokens=6, strategy="stochastic")
        made = factories.project(
            session, base_model=base, sampling=short, pair_choice=m.PairChoice.INFORMATIVE, control_share=0.0,
            plan=SamplingPlan(sources=[PlannedSource(responses=6)]),
        )  # fmt: skip
        reward = factories.model(session, made, kind=m.ModelKind.REWARD, parent_id=base.id)
        stored(reward.artifact, 1, reward=True)
        for number in range(PROMPTS):
            split = m.Split.HOLDOUT if number == 0 else m.Split.TRAIN
            factories.prompt(session, made, f"Question {number}?", split=split)
        width = 2 * int(tiny_model(1)[0].config.hidden_size)
        draw = np.random.default_rng(0)
        space = FeatureSpace.fit(draw.normal(size=(100, width)), draw.integers(1, 9, 100).astype(float))
        head = LiveHead(space.size)
        head.mean = draw.normal(size=space.size)
        report = m.HeadReport(state=m.HeadState.OFF, able=True)
        factories.project_head(
            session, made, model_id=reward.id, report=report, space=space.to_bytes(), knowledge=head.to_bytes()
        )
        return int(made.id)


def sampled(project_id: int) -> m.Run:
    with task_session() as session:
        project = session.get_one(m.Project, project_id)
        run = items.plan_sampling(session, project, automatic=False, count=PROMPTS)
        assert run is not None
    return executed(run.id)


def executed(run_id: int) -> m.Run:
    """The run at its end; a machine that is so busy that a beat comes too late gives it back."""
    for _ in range(5):
        execute(run_id, "here:1", "CPU", Event())
        with task_session() as session:
            run = session.get_one(m.Run, run_id)
        if run.state is not m.RunState.QUEUED:
            break
    return run


def test_the_pair_with_the_widest_gap_is_shown(project: int) -> None:
    run = sampled(project)
    assert (run.state, run.error) == (m.RunState.SUCCEEDED, None)
    with task_session() as session:
        written = session.get_one(m.ProjectHead, project)
        space, head = FeatureSpace.from_bytes(written.space or b""), LiveHead.from_bytes(written.knowledge or b"")
        read = {each.response_id: each for each in session.scalars(select(m.ResponseFeatures))}
        made = session.scalars(select(m.Item).order_by(m.Item.id)).all()
        assert len(made) == PROMPTS
        assert len(read) == session.scalar(select(func.count()).select_from(m.Response))
        for item in made:
            assert item.chosen is (item.prompt.split is m.Split.TRAIN)
            if not item.chosen:
                continue
            ids = session.scalars(
                select(m.Response.id).where(m.Response.prompt_id == item.prompt_id).order_by(m.Response.id)
            ).all()
            states = np.array([np.frombuffer(read[id_].states, "<f2") for id_ in ids], np.float64)
            vectors = space(states, np.array([float(read[id_].tokens) for id_ in ids]))
            best = head.widest_gap(vectors)
            assert {ids[place] for place in best} == {each.id for each in item.responses}
        # What waits has its features: no scoring run is due.
        assert features.read_if_due(session, session.get_one(m.Project, project)) is None


def test_a_head_that_knows_too_little_leaves_it_to_chance(project: int) -> None:
    with task_session() as session:
        session.get_one(m.ProjectHead, project).report = m.HeadReport(state=m.HeadState.FEW_LABELS)
    run = sampled(project)
    assert run.state is m.RunState.SUCCEEDED
    with task_session() as session:
        assert not session.scalars(select(m.Item).where(m.Item.chosen)).all()
        # Nothing has features, so a scoring run is due, once.
        owner = session.get_one(m.Project, project)
        scoring = features.read_if_due(session, owner)
        assert scoring is not None
        assert features.read_if_due(session, owner) is None
        scoring_id = scoring.id
    assert executed(scoring_id).state is m.RunState.SUCCEEDED
    with task_session() as session:
        assert session.scalar(select(func.count()).select_from(m.ResponseFeatures)) == 2 * PROMPTS
        owner = session.get_one(m.Project, project)
        assert features.read_if_due(session, owner) is None
        owner.pair_choice = m.PairChoice.RANDOM
        session.execute(m.ResponseFeatures.__table__.delete())  # type: ignore[attr-defined]
        assert features.read_if_due(session, owner) is None  # nobody wants them
