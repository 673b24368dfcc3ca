"""What trainings on preferences have in common: the question, the snapshot, and the files of a run."""

from typing import Any

from sqlalchemy.orm import Session

from app.models import Project, Run, Snapshot, TrainingConfig
from app.rewards import snapshots
from app.rewards.forms import PreferenceOptions
from app.runs import holdout
from app.web.errors import Conflict, Invalid


def snapshot(session: Session, project: Project, wanted: PreferenceOptions, parent: Run | None) -> Snapshot:
    """The labels to learn from: those of `parent`, or the current ones. Raises Invalid or Conflict with a sentence."""
    if wanted.question and not project.answer.asks(wanted.question):
        raise Invalid("This project does not ask that question. Load the page again and choose one.", "question")
    if parent is not None and parent.snapshot is not None:
        return parent.snapshot
    return snapshots.take(session, project, wanted.question)


def choices(project: Project) -> dict[str, list[tuple[Any, str]]]:
    """(value, text) of what may be chosen for the fields of `PreferenceOptions`."""
    return {"question": project.answer.question_options()}


def files(session: Session, run: Run) -> dict[str, list[dict[str, Any]]]:
    """The rows of a run's files, by the settings that take them."""
    asked = run.asked(TrainingConfig).options
    options = {name: asked[name] for name in PreferenceOptions.OPTIONS if name in asked}
    train, held_out = snapshots.training_rows(session, frozen(run), **options)  # type: ignore[arg-type]
    return {"data": train} | holdout.parts(held_out, report="eval_data", choose="choose_data")


def frozen(run: Run) -> Snapshot:
    """The labels that a run learns from."""
    if run.snapshot is None:
        raise Conflict("This run has no snapshot of labels; start a new one.")
    return run.snapshot


def question(run: Run) -> str:
    """The question whose choices a run learns from; empty: the main one."""
    return str(run.asked(TrainingConfig).options.get("question", ""))


def about(run: Run) -> str:
    """What goes into a run, in a few words."""
    if run.snapshot is None:
        return run.model.name
    about, asked = f"{run.snapshot.label_count} labels, from {run.model.name}", question(run)
    return f"{about}: {asked}" if asked else about
