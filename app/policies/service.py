"""The rules of stage 5: which policies were trained, and which one is current. How one is trained is in method.py."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import audit
from app.items import queue
from app.items import service as items
from app.models import FOLDER, Model, ModelKind, ModelState, Project, User
from app.policies import queries, results
from app.policies.forms import EvaluationForm
from app.projects import queries as project_queries
from app.registry import answering
from app.registry import service as registry
from app.web.errors import Conflict, NotFound

REFRESHED = "pairs.refreshed"  # in the audit trail: what the automation of that name did


def current_policy(project: Project) -> Model:
    """What chat and sampling speak with: the promoted policy, else the base model."""
    return project.policy or project.base_model


def get(session: Session, project: Project, model_id: int) -> Model:
    """A policy of the project, its base model, or one that was."""
    model = session.get(Model, model_id)
    if model is None or model.kind is ModelKind.REWARD:
        raise NotFound()
    own = model.project_id == project.id or model.id == project.base_model_id
    if not own and not (model.kind is ModelKind.BASE and queries.has_used(session, project.id, model.id)):
        raise NotFound()
    return model


def comparable(session: Session, project: Project, model_id: int) -> Model:
    """A model that a policy may be compared with: one of the project's, or one behind an endpoint."""
    model = session.get(Model, model_id)
    if model is not None and model.answers_from != FOLDER:
        return answering.chosen(session, project, model_id, "baseline_id")
    return get(session, project, model_id)


def opponents(session: Session, project: Project, wanted: EvaluationForm) -> list[Model]:
    """The models that a policy is to be compared with; the current one where none is named."""
    ids = [wanted.baseline_id or current_policy(project).id, *wanted.other_ids]
    return [comparable(session, project, model_id) for model_id in ids]


def chat_model(session: Session, project: Project) -> Model:
    """What chat answers with: the current policy, unless a manager chose another model."""
    chosen = project.plan.chat_model_id
    return current_policy(project) if chosen is None else session.get_one(Model, chosen)


def promote(
    session: Session, project: Project, actor: User, model: Model, confirm_without_evaluation: bool = False
) -> Project:
    """Make a policy the current one, for chat and sampling. Without a blind evaluation against the present one, or
    where people prefer that one, it has to be confirmed; either way the evidence goes into the audit trail."""
    current = current_policy(project)
    if model.id == current.id:
        raise Conflict(f"{model.name} is the current policy already.")
    if model.state is not ModelState.READY:
        raise Conflict(f"{model.name} is {model.state.value} and cannot be promoted.")
    if model.kind is ModelKind.BASE and model.id != project.base_model_id:
        raise Conflict(f"{model.name} is no policy. Make it the base model again in the settings, to use it as it is.")
    registry.artifact_path(model)
    evidence = _evidence(session, project, model, current)
    if not confirm_without_evaluation and (reason := _doubt(model, current, evidence)):
        raise Conflict(f"{reason} Confirm if you promote it all the same.")
    _make_current(session, project, actor, model, evaluation=evidence, confirmed=confirm_without_evaluation)
    return project


def doubt(session: Session, project: Project, model: Model) -> str | None:
    """Why the promotion of a policy has to be confirmed; None where an evaluation does not speak against it."""
    current = current_policy(project)
    if model.id == current.id:
        return None
    return _doubt(model, current, _evidence(session, project, model, current))


def _doubt(model: Model, current: Model, evidence: dict[str, Any] | None) -> str | None:
    if evidence is None:
        return f"{model.name} has no blind evaluation against {current.name}, the current policy."
    if evidence["high"] < 0.5:
        return f"People prefer {current.name}: {model.name} has won {evidence['rate']:.0%} of the comparisons."
    return None


def roll_back(session: Session, project: Project, actor: User) -> Project:
    """Go back to the policy that was the current one before the promoted one: the base model, where one was."""
    if project.policy is None:
        raise Conflict("The base model is the current policy; there is nothing to roll back to.")
    change = queries.last_change_to(session, project.id, project.policy.id)
    previous = session.get(Model, change.details["previous"]) if change else None
    model = project.base_model if previous is None or previous.kind is ModelKind.BASE else previous
    if model.state is not ModelState.READY:
        raise Conflict(f"{model.name}, the current policy before, is {model.state.value}. Promote another policy.")
    registry.artifact_path(model)
    _make_current(session, project, actor, model, rolled_back=True)
    return project


def _make_current(session: Session, project: Project, actor: User, model: Model, **details: Any) -> None:
    current = current_policy(project)
    policy = None if model.id == project.base_model_id else model
    if not project_queries.set_current_policy(session, project.id, project.policy_id, policy.id if policy else None):
        raise Conflict("Somebody else has just changed the current policy. Load the page again, then decide.")
    session.refresh(project)
    audit.record(
        session, actor, "policy.promoted", project_id=project.id, subject=model, previous=current.id, **details
    )
    refresh_pairs(session, project)


def refresh_pairs(session: Session, project: Project) -> None:
    """Another model is current: where the project wants that, pairs that nobody has begun make room for new ones."""
    if not project.automation.refresh_pairs:
        return
    withdrawn = queue.withdraw_untouched(session, project.id, datetime.now(UTC))
    run = items.plan_sampling(session, project, count=withdrawn) if withdrawn else None
    made = {"withdrawn": withdrawn, "run": run.id if run else None}
    audit.record(session, None, REFRESHED, project_id=project.id, subject=current_policy(project), **made)


def _evidence(session: Session, project: Project, model: Model, current: Model) -> dict[str, Any] | None:
    run = queries.comparison(session, project.id, model.id, current.id)
    if run is None:
        return None
    result = results.between(session, run, model.id, current.id)
    if result.judged == 0:
        return None
    return {"run": run.id, "rate": result.rate, "low": result.low, "high": result.high, "judged": result.judged}
