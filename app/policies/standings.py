"""How policies stand beside each other and came to be the current one: a table by what people and reward models say of
them, what one wrote before and after its training, and who promoted which and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import events
from app.accounts import queries as accounts
from app.models import Model, Run
from app.policies import queries, results
from app.policies.results import Compared, Judged, Result

SHOWN = 5  # prompts whose responses are shown side by side
PROMOTED = "policy.promoted"


@dataclass(frozen=True)
class Standing:
    """A policy with its newest blind evaluation against the base model, and against the current policy; None where
    there is none."""

    model: Model
    against_base: Result | None
    against_current: Result | None


def leaderboard(policies: Sequence[Model], base: Model, current: Model, compared: Sequence[Compared]) -> list[Standing]:
    """The policies, the surest first: by the lower bound of their win rate against the base model, those without one
    after the others by the lower bound of what they gained in reward. `compared`: the newest first."""
    rows = [Standing(each, _newest(compared, each, base), _newest(compared, each, current)) for each in policies]

    def surely(row: Standing) -> tuple[bool, float, float]:
        won, gained = row.against_base, row.model.metrics.get("reward_gain_low")
        judged = won is not None and won.rate is not None
        return judged, won.low if won and judged else 0.0, gained if isinstance(gained, float | int) else float("-inf")

    return sorted(rows, key=surely, reverse=True)


def _newest(compared: Sequence[Compared], one: Model, other: Model) -> Result | None:
    for each in compared:
        if (each.model.id, each.other.id) == (one.id, other.id):
            return each.result
        if (each.model.id, each.other.id) == (other.id, one.id):
            return each.result.turned()
    return None


@dataclass(frozen=True)
class BeforeAfter:
    """What a policy and the model before it wrote to the same prompts: (what was asked, before, after)."""

    before: Model
    run: Run
    rows: list[tuple[str, Judged, Judged]]


def before_after(session: Session, model: Model, base: Model, compared: Sequence[Run]) -> BeforeAfter | None:
    """From the newest evaluation against the model that the policy was trained from, else the base model, else any
    other; None where none has responses yet. `compared`: evaluations of this model, the newest first."""
    offered = [(run, each.other) for run in compared for each in results.of_model(session, run, model)]
    wanted = [model.parent_id, base.id]
    offered.sort(key=lambda pair: wanted.index(pair[1].id) if pair[1].id in wanted else len(wanted))
    for run, other in offered:
        items = queries.evaluation_items(session, run.id, None, SHOWN).items
        rows = []
        for asked, responses in results.side_by_side(session, run, items):
            said = {response.model: response for response in responses}
            if other.name in said and model.name in said:
                rows.append((asked, said[other.name], said[model.name]))
        if rows:
            return BeforeAfter(other, run, rows)
    return None


def promotions(session: Session, project_id: int, model_id: int | None = None, limit: int = 5) -> list[Any]:
    """The newest changes of the current policy, told in sentences; those to or from one model where it is given."""
    found = events.tell(session, accounts.events(session, project_id, None, PROMOTED, limit=50 if model_id else limit))
    return [
        told for told in found.items if model_id is None or model_id in (told.subject_id, told.details.get("previous"))
    ][:limit]
