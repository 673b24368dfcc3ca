"""How long a training will take, by what earlier ones took; or that nobody knows. A guess with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy.orm import Session

from app.methods import Method
from app.models import Project, Run
from app.runs import differences, queries
from app.web.filters import count, plural, span


@dataclass(frozen=True)
class Estimate:
    """`seconds` are None where nothing is known; `why` says in a sentence what it rests on."""

    seconds: float | None
    why: str

    @property
    def words(self) -> str:
        """In one or two sentences."""
        return self.why if self.seconds is None else f"About {span(self.seconds)}. {self.why}"


def of(session: Session, project: Project, method: Method, given: Mapping[str, Any]) -> Estimate:
    """How long a run with these settings will take; what is left out is a default, what is no number is passed over."""
    runs = queries.timed(session, project, method.name)
    elsewhere = bool(runs) and runs[0].project_id != project.id
    pairs = runs[0].snapshot.train_pair_count if runs and runs[0].snapshot else None
    defaults = {name: field.default for name, field in method.form.model_fields.items()}
    wanted = _amount({**defaults, **given}, pairs)
    paces = [pace for pace in map(_pace, runs) if pace is not None]
    if wanted is None or not paces:
        why = f"it is judged by earlier runs of {method.title}, and none has succeeded here."
        return Estimate(None, f"Time not known yet: {why}")
    where = "other projects with this base model" if elsewhere else "this project"
    like = f" with as many pairs as the last one ({count(pairs)})" if pairs is not None else ""
    device = f" on {runs[0].device}" if runs[0].device else ""
    return Estimate(
        median(paces) * wanted,
        f"Judged by {plural(len(paces), 'earlier run')} of {where}{device}{like}; "
        "other settings, longer texts or a busy machine change it.",
    )


def _pace(run: Run) -> float | None:
    """Seconds for a unit of the run's work."""
    amount = _amount(differences.chosen(run), run.snapshot.train_pair_count if run.snapshot else None)
    if amount is None or run.started_at is None or run.ended_at is None:
        return None
    return (run.ended_at - run.started_at).total_seconds() / amount


def _amount(settings: Mapping[str, Any], pairs: int | None) -> float | None:
    """The work of a run, in responses sampled, or in pairs learned from times epochs."""
    episodes, epochs = _number(settings.get("total_episodes")), _number(settings.get("num_train_epochs"))
    if episodes is not None:
        return episodes
    if epochs is None or not pairs:
        return None
    steps, batch = _number(settings.get("max_steps")), _number(settings.get("train_batch_size"))
    return min(epochs * pairs, steps * batch) if steps and batch else epochs * pairs


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < 1e12 else None
