"""Whether the platform trains a reward model by itself: after every so many new labels, within the day's budget."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.models import ModelState, Project, Run, RunKind
from app.projects.automation import BUDGET_PERIOD, OFF, Decision
from app.quotas import service as quotas
from app.rewards import service, snapshot_queries, snapshots
from app.rewards.method import REWARD
from app.runs import queries as runs_queries
from app.runs import training
from app.web.errors import Conflict
from app.web.filters import plural


def decide(session: Session, project: Project, new_labels: int) -> Decision:
    """Whether to train now, with so many labels since the last snapshot; the amount is their number."""
    automation = project.automation
    if not automation.retrain_reward:
        return Decision(0, OFF)
    if project.base_model.state is not ModelState.READY:
        return Decision(0, f"Waits for {project.base_model.name}, which is {project.base_model.state.value}.")
    if busy := runs_queries.active(session, project.id, RunKind.TRAINING, REWARD.name):
        return Decision(0, f"Run {busy[0].id} is {busy[0].state.value}.")
    if (missing := automation.labels_between_rewards - new_labels) > 0:
        return Decision(0, f"Waits for {plural(missing, 'more label')}.")
    if spent(session, project) >= automation.reward_trainings_per_day:
        trainings = plural(automation.reward_trainings_per_day, "training")
        return Decision(0, f"The budget of {trainings} in 24 hours is used up.")
    if (refusal := quotas.refusal(session, project.id)) is not None:
        return Decision(0, refusal.message)
    usable = snapshot_queries.usable_counts(session, project.id)
    if usable.train < snapshots.MIN_TRAIN_PAIRS or usable.holdout < snapshots.MIN_HOLDOUT_PAIRS:
        return Decision(0, f"Too few pairs: {usable.train} to learn from, {usable.holdout} to measure on.")
    return Decision(new_labels, f"{plural(new_labels, 'new label')}: training starts within seconds.")


def retrain_if_due(session: Session, project: Project) -> Run | None:
    """Start a training by itself where the project asks for it and enough labels have come since the last snapshot."""
    if project.archived_at is not None or not project.automation.retrain_reward:
        return None
    if not decide(session, project, service.new_labels(session, project)).amount:
        return None
    try:
        return training.start(session, project, None, REWARD, automatic=True)
    except Conflict:  # somebody else was first, or the labels have become too few
        return None


def spent(session: Session, project: Project) -> int:
    """Trainings that the platform started itself in the budget's period."""
    since = datetime.now(UTC) - BUDGET_PERIOD
    return runs_queries.count_automatic(session, project.id, RunKind.TRAINING, since, REWARD.name)


def last(session: Session, project: Project) -> Run | None:
    """The last training that the platform started itself."""
    return runs_queries.last_automatic(session, project.id, RunKind.TRAINING, REWARD.name)
