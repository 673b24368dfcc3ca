"""What trainings on preferences have in common: the question, the snapshot, and the files of a run."""

from typing import Any

from sqlalchemy.orm import Session

from app.models import Project, Run, Setting, Snapshot, TrainingConfig
from app.rewards import snapshots
from app.rewards.counting import Counting, told
from app.rewards.forms import PreferenceOptions
from app.runs import holdout, queries
from app.web.errors import Conflict, Invalid


def snapshot(session: Session, project: Project, wanted: PreferenceOptions, parent: Run | None) -> Snapshot:
    """The labels to learn from: those of `parent`, or the current ones. Raises Invalid or Conflict with a sentence."""
    if wanted.question and not project.answer.asks(wanted.question):
        raise Invalid("This project does not ask that question. Load the page again and choose one.", "question")
    if parent is not None and parent.snapshot is not None:
        found = parent.snapshot
    else:
        found = snapshots.take(session, project, wanted.question)
    how = Counting.of(wanted.model_dump())
    if min(how.paused, how.late, how.surplus) == 0:
        snapshots.require_rows(session, found, how)
    return found


def choices(project: Project) -> dict[str, list[tuple[Any, str]]]:
    """(value, text) of what may be chosen for the fields of `PreferenceOptions`."""
    return {"question": project.answer.question_options()}


def usual(session: Session, project: Project, method: str) -> dict[str, Setting]:
    """Labels are counted as they were by the project's last training by a method: its models stay comparable."""
    last = queries.last(session, project.id, method)
    options = last.asked(TrainingConfig).options if last is not None else {}
    return {name: options[name] for name in ("aggregation",) if name in options}


def files(session: Session, run: Run) -> dict[str, list[dict[str, Any]]]:
    """The rows of a run's files, by the settings that take them."""
    train, held_out = snapshots.training_rows(session, frozen(run), Counting.of(run.asked(TrainingConfig).options))
    return {"data": train} | holdout.parts(held_out, report="eval_data", choose="choose_data")


def note(session: Session, run: Run) -> str:
    """What the card of the model says of its labels."""
    return told(session, frozen(run), Counting.of(run.asked(TrainingConfig).options))


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
