"""A run that is started from another one's settings: the form's fields for it, and the form filled with them."""

from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from app.input import Id, Input
from app.models import Project, Run, RunKind
from app.runs import queries
from app.web.errors import Invalid

FIELDS = ("parent_id", "same_inputs")


class CopyForm(Input):
    """What the form of a training adds where it starts from another run's settings."""

    parent_id: Id | None = Field(None, title="Copy of", description="The run whose settings these were")
    same_inputs: bool = Field(
        False, title="Same inputs", description="Take the labels or the model that the copied run took, not today's"
    )


def parent(session: Session, project: Project, kind: RunKind, run_id: Any) -> Run | None:
    """The run that is copied; None where none is named. Refuses a run that is not of this project and kind."""
    if run_id in (None, ""):
        return None
    run = queries.get(session, int(run_id)) if str(run_id).isascii() and str(run_id).isdigit() else None
    if run is None or run.project_id != project.id or run.kind is not kind:
        raise Invalid("Choose a run of this project and of this kind to copy.", field="parent_id")
    return run


def filled(run: Run) -> dict[str, Any]:
    """The values of the form that would start the same again."""
    settings: dict[str, Any] = run.config["settings"]
    return settings | {"needs_gpu": run.needs_gpu, "parent_id": run.id, "same_inputs": True}
