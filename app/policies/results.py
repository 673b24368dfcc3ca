"""What the judgements of a blind evaluation say: of each two models, and of each response."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any

from sqlalchemy.orm import Session

from app.models import Item, Model, Outcome, Run
from app.policies import queries
from app.policies.evaluations import models_of
from app.policies.intervals import anytime_interval


@dataclass(frozen=True)
class Result:
    """What an evaluation says so far, from the policy's side. `rate` and its bounds count ties, "both bad" and equal
    responses as half a win; `judged` items, and all others of their prompts, have all the labels they ask for; `equal`
    needed none."""

    items: int
    judged: int
    equal: int
    wins: float
    losses: float
    ties: float
    both_bad: float
    rate: float | None
    low: float
    high: float

    def turned(self) -> "Result":
        """The same from the other model's side."""
        return replace(
            self,
            wins=self.losses,
            losses=self.wins,
            rate=None if self.rate is None else 1.0 - self.rate,
            low=1.0 - self.high,
            high=1.0 - self.low,
        )


@dataclass(frozen=True)
class Compared:
    """A model against another one, by one evaluation."""

    model: Model
    other: Model
    result: Result


def of_each_two(session: Session, run: Run) -> list[Compared]:
    """Each two models of an evaluation, the policy that it is about against all others first."""
    return [
        Compared(one, other, between(session, run, one.id, other.id))
        for one, other in combinations(models_of(session, run), 2)
    ]


def of_model(session: Session, run: Run, model: Model) -> list[Compared]:
    """One of the models of an evaluation against each of the others."""
    others = [other for other in models_of(session, run) if other.id != model.id]
    return [Compared(model, other, between(session, run, model.id, other.id)) for other in others]


def evaluation_result(session: Session, run: Run) -> Result:
    """The policy that an evaluation is about against the first of the others."""
    policy, baseline, *_ = models_of(session, run)
    return between(session, run, policy.id, baseline.id)


def between(session: Session, run: Run, model_id: int, other_id: int) -> Result:
    """The model's win rate against the other one, with a 95% interval that stays valid however often one looks.

    A prompt counts once all its items have all their labels, with the mean over both as its value: its items are alike.
    Prompts count in the random order in which they were put before people, not in that in which people were done. Equal
    responses are a known share of the comparisons at one half each, so they move the rate and shrink the interval, and
    no bet is made on them.
    """
    asked = queries.items_by_prompt(session, run.id)
    prompts: dict[int, list[Any]] = {}
    for row in queries.evaluation_votes(session, run.id, model_id, other_id):
        if row.labels >= row.wanted:
            prompts.setdefault(row.prompt_id, []).append(row)
    whole = [rows for prompt_id, rows in prompts.items() if len(rows) == asked[prompt_id]]
    values = [fmean((row.wins + 0.5 * (row.ties + row.both_bad)) / row.labels for row in rows) for rows in whole]
    judged = [row for rows in whole for row in rows]
    equal = int((run.summary or {}).get("equal_answers", 0))
    items = sum(asked.values())
    share = items / (items + equal) if items + equal else 1.0
    interval = anytime_interval(values)

    def overall(rate: float) -> float:
        return 0.5 * (1.0 - share) + share * rate

    return Result(
        items=items,
        judged=len(judged),
        equal=equal,
        wins=sum(row.wins / row.labels for row in judged),
        losses=sum(row.losses / row.labels for row in judged),
        ties=sum(row.ties / row.labels for row in judged),
        both_bad=sum(row.both_bad / row.labels for row in judged),
        rate=overall(sum(values) / len(values)) if values else None,
        low=overall(interval.low),
        high=overall(interval.high),
    )


@dataclass(frozen=True)
class Judged:
    """One response with what people said of it. `place`: from 1, the best, averaged over labels; None before any."""

    model: str
    text: str
    place: float | None


_BEHIND = {Outcome.FIRST: (0.0, 1.0), Outcome.SECOND: (1.0, 0.0)}
"""How much either of two is behind the other; one half each where neither is better."""


def side_by_side(session: Session, run: Run, items: Sequence[Item]) -> list[tuple[str, list[Judged]]]:
    """(what the prompt asks, its responses) of these items of an evaluation."""
    names = {model.id: model.name for model in models_of(session, run)}
    behind: dict[tuple[int, int], float] = {}
    labels: dict[int, set[int]] = {}
    for row in queries.preferences_of(session, [item.id for item in items]):
        labels.setdefault(row.item_id, set()).add(row.label_id)
        for position, by in zip((row.first, row.second), _BEHIND.get(row.outcome, (0.5, 0.5)), strict=True):
            behind[row.item_id, position] = behind.get((row.item_id, position), 0.0) + by
    return [
        (
            item.prompt.messages[-1]["content"],
            [
                Judged(
                    names[response.model_id or 0],
                    response.text.strip(),
                    1 + behind[item.id, position] / len(labels[item.id]) if item.id in labels else None,
                )
                for position, response in enumerate(item.responses)
            ],
        )
        for item in items
    ]
