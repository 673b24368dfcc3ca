"""Where a project's loop stands, and the one next step that makes sense, with its reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.home import pace, queries
from app.home.pace import Pace
from app.methods import METHODS, Method, Standing
from app.models import Model, ModelKind, ModelState, Project, Run, RunKind, RunState
from app.policies import queries as policies_queries
from app.policies import results
from app.policies.evaluations import models_of
from app.policies.results import Result
from app.policies.service import current_policy
from app.registry import service as registry
from app.rewards import service as rewards
from app.runs import estimate
from app.runs import queries as runs_queries
from app.web.cache import Cache
from app.web.filters import percent, plural


@dataclass(frozen=True)
class Situation:
    """All that the picture shows and the next step depends on."""

    project_id: int
    base_model_id: int
    base_state: ModelState
    base_name: str
    base_error: str | None
    prompts: int
    prompts_in_review: int
    open_items: int
    open_evaluation_items: int
    queue_depth: int
    keeps_queue_filled: bool
    labels: int
    new_labels: int
    labels_last_hour: int
    labels_last_day: int
    labels_between: int
    retrains_by_itself: bool
    active_annotators: int
    reward_models: int
    policies: int
    conversations: int
    current_policy: Model
    reward_model: Model | None
    policy: Model | None
    evaluation: Run | None  # of the newest policy against the current one
    evaluation_result: Result | None
    active: list[Run]
    advice: list[tuple[Method, str]]  # trainings to start now, each with its reason
    pace: Pace
    takes: float | None  # seconds, of the first training in `advice` with its default settings
    preparation: Run | None  # of the base model, where its files are not in the store
    failed: Run | None
    counted_at: datetime | None  # prompts, open items and labels, where that was a while ago

    def at_work(self, stage: int) -> list[Run]:
        """What is queued or running at a stage of the loop."""
        return [run for run in self.active if _stage(run) == stage]

    @property
    def training(self) -> Run | None:
        """A training that is queued or running."""
        return next((run for run in self.active if run.kind is RunKind.TRAINING), None)


def _stage(run: Run) -> int:
    if run.kind is RunKind.TRAINING:
        method = METHODS.get(run.method or "")
        return 4 if method is not None and method.makes is ModelKind.REWARD else 5
    return {RunKind.SCORING: 4, RunKind.EVALUATION: 5}.get(run.kind, 2)


@dataclass(frozen=True)
class Step:
    """The next sensible step: what, why, where it is done, and how long it takes where that was measured."""

    title: str
    reason: str
    href: str | None = None
    button: str | None = None
    time: str | None = None


_sizes: Cache[Any] = Cache()


def situation(session: Session, project: Project) -> Situation:
    """Read where the loop stands."""
    counts = queries.counts(session, project.id)
    sizes, counted_at = _sizes.aged(project.id, lambda: queries.sizes(session, project.id))
    automation = project.automation
    newest = registry.newest_of_each(session, project.id)
    policy = newest.get(ModelKind.POLICY)
    current = current_policy(project)
    evaluation = judged = None
    if policy is not None and policy.id != current.id:
        compared = policies_queries.comparisons(session, project.id, policy.id, limit=5)
        with_current = (run for run in compared if current.id in [each.id for each in models_of(session, run)])
        evaluation = next(with_current, None)
        judged = results.between(session, evaluation, policy.id, current.id) if evaluation else None
    base, active = project.base_model, runs_queries.active_runs(session, project)
    new_labels = rewards.new_labels(session, project)
    advice = _advice(session, project, active, Standing(new_labels, newest.get(ModelKind.REWARD)))
    return Situation(
        project_id=project.id,
        base_model_id=base.id,
        base_state=base.state,
        base_name=base.name,
        base_error=base.error,
        prompts=sizes.prompts,
        prompts_in_review=counts.prompts_in_review,
        open_items=sizes.open_items,
        open_evaluation_items=sizes.open_evaluation_items,
        queue_depth=project.queue_depth,
        keeps_queue_filled=automation.keep_queue_filled,
        labels=sizes.labels,
        new_labels=new_labels,
        labels_last_hour=counts.labels_last_hour,
        labels_last_day=counts.labels_last_day,
        labels_between=automation.labels_between_rewards,
        retrains_by_itself=automation.retrain_reward,
        active_annotators=counts.active_annotators,
        reward_models=counts.reward_models,
        policies=counts.policies,
        conversations=counts.conversations,
        current_policy=current,
        reward_model=newest.get(ModelKind.REWARD),
        policy=policy,
        evaluation=evaluation,
        evaluation_result=judged,
        active=active,
        advice=advice,
        pace=pace.measured(session, project.id),
        takes=estimate.of(session, project, advice[0][0], {}).seconds if advice else None,
        preparation=None if base.state is ModelState.READY else runs_queries.preparation_of(session, base.id),
        failed=next((run for run in queries.last_runs(session, project.id) if run.state is RunState.FAILED), None),
        counted_at=counted_at,
    )


def _advice(session: Session, project: Project, active: list[Run], standing: Standing) -> list[tuple[Method, str]]:
    """Trainings that are worth starting: not while the same, or one that makes what it uses, is under way."""
    making = {METHODS[run.method].makes for run in active if run.method in METHODS}
    found = []
    for method in METHODS.values():
        if making.isdisjoint((method.makes, *method.uses)):
            reason = method.advice(session, project, standing)
            if reason is not None:
                found.append((method, reason))
    return found


def next_step(now: Situation) -> Step:
    """The first of these that applies. What is under way is not offered again."""
    here = f"/projects/{now.project_id}"
    if now.base_state is ModelState.PREPARING:
        reason = f"{now.base_name} is being prepared; that takes a minute or two."
        time = pace.of_run(now.preparation) if now.preparation is not None else None
        href, button = _preparation(now, here)
        return Step("Wait for the base model", reason, href, button, time)
    if now.base_state is ModelState.FAILED:
        reason = now.base_error or f"{now.base_name} failed."
        place = f"{here}/settings#base-model"
        return Step("The base model cannot be used", reason, place, "Try again, or choose another one")
    if now.prompts == 0:
        return Step("Import prompts", "There is nothing to ask the model yet.", f"{here}/prompts", "Import prompts")
    if now.failed is not None:
        return Step(
            f"Look at run {now.failed.id}",
            f"It failed: {now.failed.error or 'the log says why.'}",
            f"{here}/runs/{now.failed.id}",
            "Look at it",
        )
    return _decide_on_policy(now, here) or _train(now, here) or _label(now, here)


def _decide_on_policy(now: Situation, here: str) -> Step | None:
    if now.policy is None or now.policy.id == now.current_policy.id or now.policy.id < now.current_policy.id:
        return None
    page = f"{here}/policies/{now.policy.id}"
    if now.evaluation is None or now.evaluation_result is None:
        return Step(
            f"Evaluate {now.policy.name}",
            f"It is newer than {now.current_policy.name}, the current policy. Let people compare the two blindly.",
            f"{page}#launch",
            "Launch an evaluation",
        )
    result = now.evaluation_result
    if now.evaluation.state in (RunState.QUEUED, RunState.RUNNING):
        return None
    if result.low > 0.5 and result.rate is not None:
        return Step(
            f"Promote {now.policy.name}",
            f"People prefer it: {percent(result.rate)} wins, surely more than {percent(result.low)}.",
            page,
            "Promote",
        )
    if now.open_evaluation_items:
        waiting = plural(now.open_evaluation_items, "evaluation pair")
        return Step(
            "Compare answers",
            f"{waiting} of {now.policy.name} wait for a judgement; they come first.",
            f"{here}/label",
            "Compare answers",
            now.pace.for_labels(now.open_evaluation_items),
        )
    return None


def _preparation(now: Situation, here: str) -> tuple[str | None, str | None]:
    if now.preparation is None:
        return None, None
    return f"{here}/runs/{now.preparation.id}", "Show the preparation"


def _train(now: Situation, here: str) -> Step | None:
    if not now.advice:
        return None
    method, reason = now.advice[0]
    return Step(method.verb, reason, f"{here}/train/{method.name}", method.verb, pace.of_training(now.takes))


def _label(now: Situation, here: str) -> Step:
    training = now.training
    if now.open_items:
        if training is not None:
            reason = f"Run {training.id} is training; meanwhile {plural(now.open_items, 'pair')} wait for a label."
            time = pace.of_run(training)
        else:
            first = now.reward_model is None
            left = max(1, (rewards.FIRST_TRAINING if first else now.labels_between) - now.new_labels)
            model = "the first reward model" if first else "a new reward model"
            reason = f"{plural(left, 'more label')} until {model} is worth training."
            time = now.pace.for_labels(left)
        return Step("Compare answers", reason, f"{here}/label", "Compare answers", time)
    sampling = next((run for run in now.active if run.kind is RunKind.SAMPLING), None)
    if sampling is not None:
        return Step("Wait for pairs", f"Run {sampling.id} is sampling answers to compare.", time=pace.of_run(sampling))
    if training is not None:
        reason = f"Run {training.id} is running."
        return Step("Watch the training", reason, f"{here}/runs/{training.id}", "Watch it", pace.of_run(training))
    if now.prompts_in_review:
        return Step(
            "Review prompts",
            f"{plural(now.prompts_in_review, 'prompt')} from chat wait for your review.",
            f"{here}/prompts?status=review",
            "Review prompts",
        )
    if now.keeps_queue_filled:
        return Step("Wait for pairs", "No pair is open; sampling starts automatically within a few seconds.")
    return Step("Sample pairs", "No pair is open, and automatic sampling is off.", f"{here}/items", "Sample pairs")
