"""A run that is started from another one's settings: which it may be, and the form filled with them."""

from typing import Any

from sqlalchemy.orm import Session

from app.models import Project, Run, TrainingConfig
from app.runs import queries
from app.web.errors import Invalid


def parent(session: Session, project: Project, method: str, run_id: Any) -> Run | None:
    """The run that is copied; None where none is named. Refuses a run that is not of this project and method."""
    if run_id in (None, ""):
        return None
    run = queries.get(session, int(run_id)) if str(run_id).isascii() and str(run_id).isdigit() else None
    if run is None or run.project_id != project.id or run.method != method:
        raise Invalid("Choose a run of this project and of this method to copy.", field="parent_id")
    return run


def filled(run: Run) -> dict[str, Any]:
    """The values of the form that would start the same again."""
    config = run.asked(TrainingConfig)
    own = {"needs_gpu": run.needs_gpu, "parent_id": run.id, "same_inputs": True, "reward_model_id": run.reward_model_id}
    return config.settings | config.options | own
