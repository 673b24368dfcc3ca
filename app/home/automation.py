"""A project's automations: each with its budget, what it did last and what it waits for, all
read from the rows that it left and from the rule that decides."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.items import filling
from app.methods import METHODS
from app.models import AuditEvent, Project, Run, RunKind, RunState
from app.policies import queries as policies_queries
from app.policies.service import REFRESHED, current_policy
from app.projects.automation import OFF
from app.rewards import retraining
from app.runs import queries as runs_queries
from app.web.filters import count, plural


@dataclass(frozen=True)
class Last:
    """The last thing that an automation did."""

    at: datetime
    what: str
    run_id: int | None


@dataclass(frozen=True)
class Automation:
    """One automation. `now` says what it waits for, or why it does nothing."""

    name: str
    on: bool
    rule: str
    budget: str
    last: Last | None
    now: str


def automations(session: Session, project: Project, new_labels: int) -> list[Automation]:
    """All of a project's automations."""
    settings = project.automation
    sampled = runs_queries.last_automatic(session, project.id, RunKind.SAMPLING)
    refreshed = policies_queries.last_event(session, project.id, REFRESHED)
    items = f"{count(filling.spent(session, project))} of {plural(settings.pairs_per_day, 'pair')} in 24 hours"
    trainings = plural(settings.reward_trainings_per_day, "training")
    return [
        Automation(
            "Keep pairs ready",
            settings.keep_queue_filled,
            f"Tops up the queue when fewer than {plural(project.queue_depth, 'pair')} are left",
            items,
            _last(sampled),
            filling.decide(session, project).reason,
        ),
        Automation(
            "Train the reward model",
            settings.retrain_reward,
            f"After every {plural(settings.labels_between_rewards, 'new label')}",
            f"{count(retraining.spent(session, project))} of {trainings} in 24 hours",
            _last(retraining.last(session, project)),
            retraining.decide(session, project, new_labels).reason,
        ),
        Automation(
            "Refresh pairs",
            settings.refresh_pairs,
            "After a promotion, untouched pairs are replaced by pairs of the current policy",
            f"{items}, shared with the first",
            _refreshed(refreshed),
            f"Waits for the next promotion; {current_policy(project).name} is the current policy."
            if settings.refresh_pairs
            else OFF,
        ),
    ]


def _last(run: Run | None) -> Last | None:
    return None if run is None else Last(run.ended_at or run.started_at or run.created_at, _outcome(run), run.id)


def _outcome(run: Run) -> str:
    """A run's outcome in a few words."""
    summary = run.summary or {}
    if run.state is RunState.FAILED:
        return f"failed: {run.error or 'the log says why.'}"
    if run.state is not RunState.SUCCEEDED:
        return f"is {run.state.value}"
    if run.kind is RunKind.SAMPLING and "pairs" in summary:
        return f"made {plural(summary['pairs'], 'pair')} from {plural(summary['prompts'], 'prompt')}"
    method = METHODS.get(run.method or "")
    return (method and method.outcome(summary)) or "succeeded"


def _refreshed(event: AuditEvent | None) -> Last | None:
    if event is None:
        return None
    return Last(event.at, f"{plural(event.details['withdrawn'], 'pair')} withdrawn", event.details.get("run"))
