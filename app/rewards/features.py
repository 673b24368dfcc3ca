"""Features of responses, by the newest reward model's trunk: what the live head learns on. They are derived, and made
by scoring runs; what waits for labels without them is scored by and by."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.items.filling import RETRY_AFTER
from app.models import (
    FOLDER,
    Model,
    ModelKind,
    ModelState,
    PairChoice,
    Project,
    QueueOrder,
    Run,
    RunKind,
    RunState,
)
from app.quotas import service as quotas
from app.registry import service as registry
from app.rewards import head_queries, service
from app.runs import queries as runs_queries


def trunk(session: Session, project: Project) -> Model | None:
    """The model whose features a project's head learns on: its newest reward model that is a folder."""
    model = registry.newest(session, project.id, ModelKind.REWARD)
    ready = model is not None and model.state is ModelState.READY and model.answers_from == FOLDER
    return model if ready else None


def read_if_due(session: Session, project: Project) -> Run | None:
    """Queue a scoring run where the head chooses what is asked, and more than a tenth of the waiting responses have no
    features that a run could still give them."""
    if project.queue_order is QueueOrder.RANDOM and project.pair_choice is PairChoice.RANDOM:
        return None
    if (model := trunk(session, project)) is None:
        return None
    if runs_queries.active(session, project.id, RunKind.SCORING):
        return None
    last = runs_queries.last_automatic(session, project.id, RunKind.SCORING)
    left = 0
    if last is not None and last.model_id == model.id:
        if last.state is RunState.FAILED and last.ended_at and datetime.now(UTC) - last.ended_at < RETRY_AFTER:
            return None
        summary = last.summary or {}
        left = summary.get("rows", 0) - summary.get("scored", 0)
    shown, without = head_queries.lacking(session, project.id, model.id, service.OPEN_ITEMS_SCORED)
    if without <= left + shown // 10 or quotas.refusal(session, project.id) is not None:
        return None
    return service.score_responses(session, model)
