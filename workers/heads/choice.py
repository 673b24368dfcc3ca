"""Which two of several sampled responses a comparison shows: those whose gap may be the greatest by the live head.

Responses are read by the reward model's trunk before anybody sees them, so that all of a run join the queue at its end.
Held-out prompts, and a share as large as the random one, keep what chance draws: they measure.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from app.items import plan, queries
from app.items import service as items
from app.items.plan import Place
from app.models import PairChoice, Project, Prompt, Run, SamplingConfig, Split
from app.registry import service as registry
from app.rewards import features, head_queries
from app.rewards.head_queries import Features
from rlhf.feature_space import FeatureSpace, usable
from rlhf.live_head import LiveHead
from workers.runs.attempt import Attempt
from workers.runs.scoring import scores_of

Sampled = Sequence[Sequence[dict[str, Any]]]
"""What each source gave to a prompt."""


@dataclass(frozen=True)
class Chooser:
    """A head as it was written down, and the model whose features it reads."""

    model_id: int
    settings: dict[str, Any]
    space: FeatureSpace
    head: LiveHead

    def vectors(self, features_of: Mapping[Place, Features | None]) -> dict[Place, Any]:
        """The head's features of those that have some it can use."""
        found = {}
        for place, each in features_of.items():
            states = np.frombuffer(each.states, dtype="<f2").astype(np.float64)[None] if each else None
            if each is not None and states is not None and states.shape[1] == len(self.space.centre):
                tokens = np.array([float(each.tokens)])
                if usable(states, tokens)[0]:
                    found[place] = self.space(states, tokens)[0]
        return found


def chooser(session: Session, run: Run) -> Chooser | None:
    """What chooses for a sampling run; None where its project leaves it to chance, there is nothing to choose from, or
    the head does not know enough: the page says which."""
    project = session.get_one(Project, run.project_id)
    config = run.asked(SamplingConfig)
    sampled = sum(part.settings.n for part in plan.parts_of(session, run))
    if project.pair_choice is PairChoice.RANDOM or config.item_kind != "comparison" or sampled < 3:
        return None
    model, written = features.trunk(session, project), head_queries.head(session, project.id)
    if model is None or written is None or written.model_id != model.id or not written.report.able:
        return None
    if written.space is None or written.knowledge is None:
        return None
    space, head = FeatureSpace.from_bytes(written.space), LiveHead.from_bytes(written.knowledge)
    return Chooser(model.id, {"model": registry.address(model)}, space, head)


def add(attempt: Attempt, chosen_by: Chooser, rows: Sequence[dict[str, Any]], sampled: Mapping[int, Sampled]) -> int:
    """Put what was sampled to each prompt into the queue, and keep the features; how many items there are."""
    asked = [
        {"response_id": number, "prompt": row["prompt"], "response": each["text"]}
        for number, (row, each) in enumerate(
            (row, each) for row in rows for group in sampled.get(row["id"], []) for each in group
        )
    ]
    _, found = scores_of(attempt, asked, chosen_by.settings)
    read = {each.response_id: each for each in found}
    made = number = 0
    for row in rows:
        responses = sampled.get(row["id"], [])
        places = [(source, place) for source, group in enumerate(responses) for place in range(len(group))]
        own = {place: read.get(number + n) for n, place in enumerate(places)}
        number += len(places)
        if not places:
            continue
        with attempt.writing() as (session, run):
            wanted = _wanted(session, run, row["id"], chosen_by, responses, own)
            item = items.add_sampled(session, run, row["id"], responses, wanted)
            if item is None:
                continue
            made += 1
            ids = queries.sampled_responses(session, run.id, row["id"])
            if len(ids) != len(places):  # an earlier attempt had sampled others
                continue
            kept = [
                Features(id_, each.states, each.tokens)
                for id_, place in zip(ids, places, strict=True)
                if (each := own[place])
            ]
            head_queries.add_features(session, chosen_by.model_id, kept)
    return made


def _wanted(
    session: Session,
    run: Run,
    prompt_id: int,
    chosen_by: Chooser,
    sampled: Sampled,
    features_of: Mapping[Place, Features | None],
) -> list[Place] | None:
    """The two that the head wants, or None: by chance."""
    project, prompt = session.get_one(Project, run.project_id), session.get_one(Prompt, prompt_id)
    by_chance = random.Random(f"{run.id}/{prompt_id}/choice").random() < project.control_share  # noqa: S311  repeatable
    if by_chance or prompt.split is Split.HOLDOUT:
        return None
    vectors = chosen_by.vectors(features_of)
    across = run.asked(SamplingConfig).across and len(sampled) > 1
    texts = [[each["text"] for each in group] for group in sampled]
    pairs = [pair for pair in plan.pairs(texts, across) if set(pair) <= vectors.keys()]
    if not pairs:
        return None
    known = [*vectors]
    places = [(known.index(one), known.index(other)) for one, other in pairs]
    return sorted(known[place] for place in chosen_by.head.widest_gap(np.stack([*vectors.values()]), places))
