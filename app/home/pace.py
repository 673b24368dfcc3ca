"""How long the next step takes, by what was measured: how fast people label, how long a training took before.

An estimate always says what it is from; where nothing was measured there is none.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.home import queries
from app.models import Run
from app.runs.views import progress
from app.web.filters import span

FEWEST = 5  # labels that a pace is taken from


@dataclass(frozen=True)
class Pace:
    """Seconds from one label to the next, all people together, in the last hour; seconds that one person takes for one.
    None where too few labels tell it."""

    between: float | None
    each: float | None

    def for_labels(self, count: int) -> str | None:
        """How long so many labels take, as a sentence."""
        if self.between is not None:
            return f"{_about(count * self.between)} at the pace of the last hour."
        if self.each is not None:
            return f"{_about(count * self.each)} of one person’s work, at {span(self.each)} a label."
        return None


def measured(session: Session, project_id: int) -> Pace:
    """The pace of labelling in a project."""
    found = queries.labelling_pace(session, project_id)
    return Pace(
        between=float(found.seconds) / found.labels if found.labels >= FEWEST else None,
        each=float(found.median) if found.timed >= FEWEST else None,
    )


def of_run(run: Run) -> str | None:
    """How long a run still takes at its present rate, as a sentence."""
    left = progress(run).seconds_left
    return None if left is None else f"{_about(left)} left."


def of_training(seconds: float | None) -> str | None:
    """How long a training takes that is judged to take so long, see `app.runs.estimate`, as a sentence."""
    return None if seconds is None else f"{_about(seconds)}, judged by earlier ones."


def _about(seconds: float) -> str:
    """A duration without digits that nobody can rely on."""
    minutes = seconds / 60
    if minutes < 1:
        return "Less than a minute"
    if minutes < 10:
        return f"About {span(round(minutes) * 60)}"
    return f"About {span(round(minutes / 5) * 300 if minutes < 180 else round(minutes / 60) * 3600)}"
