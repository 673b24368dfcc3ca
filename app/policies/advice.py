"""Which method to train a policy by now, and why: DPO while labels are so few that no reward model can be relied on, a
method against a reward model once that is surely better than chance on holdout labels."""

from sqlalchemy.orm import Session

from app.models import Model, Project, Run, Split
from app.policies import queries
from app.rewards import snapshot_queries as rewards
from app.web.filters import percent, plural

ENOUGH_WRITTEN = 20  # responses by people that no policy has learned from, from which on fine-tuning is worth its time
OTHERWISE = "RLOO learns from it too, without a value model that would have to be learned first."


def for_reward(session: Session, project: Project, model: Model | None) -> str | None:
    """Why to train against the newest reward model, and by what else; None where a policy has, or where it may be no
    better than chance."""
    if model is None or queries.has_trained(session, project.id, reward_model_id=model.id) or not _may_be_good(model):
        return None
    return f"{_accuracy(model)}No policy has learned from {model.name} yet. {OTHERWISE}"


def for_labels(session: Session, project: Project, model: Model | None) -> str | None:
    """Why to learn from the labels of the newest reward model without it; None where it can be relied on, or where a
    policy has learned from them."""
    if model is None or _may_be_good(model):
        return None
    run = session.get(Run, model.run_id) if model.run_id else None
    if run is None or run.snapshot is None:
        return None
    if queries.has_trained(session, project.id, method="dpo", snapshot_id=run.snapshot_id):
        return None
    labels = plural(run.snapshot.label_count, "label")
    return f"{_accuracy(model)}With {labels} that may be chance; DPO learns from the labels themselves, without it."


def for_written(session: Session, project: Project) -> str | None:
    """Why to fine-tune on what people wrote; None where too little of it is new."""
    known = queries.last_label_learned(session, project.id, "sft")
    count = rewards.count_written(session, project.id, known).get(Split.TRAIN, 0)
    if count < ENOUGH_WRITTEN:
        return None
    return f"People have written {plural(count, 'response')} that no policy has learned from yet."


def _may_be_good(model: Model) -> bool:
    """Whether nothing speaks against a reward model: its accuracy is surely above chance, or was not measured."""
    low = model.metrics.get("eval_accuracy_low")
    return low is None or low > 0.5


def _accuracy(model: Model) -> str:
    """A sentence and a blank; empty where it was not measured."""
    accuracy, metrics = model.metrics.get("eval_accuracy"), model.metrics
    if accuracy is None:
        return ""
    bounds = f"{percent(metrics.get('eval_accuracy_low'))} to {percent(metrics.get('eval_accuracy_high'))}"
    return f"{model.name} agrees with people on {percent(accuracy)} of the holdout pairs ({bounds}). "
