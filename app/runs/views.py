"""What the pages of runs say about a run: its title, its state in words, its progress."""

from dataclasses import dataclass

from app.methods import METHODS, title_of
from app.models import (
    EvaluationConfig,
    ExportConfig,
    ImportConfig,
    Model,
    ModelKind,
    PreparationConfig,
    Run,
    RunKind,
    RunState,
    ScoringConfig,
    UndoConfig,
)
from app.runs.queueing import queue_of
from app.runs.table import KINDS
from app.web.filters import plural
from app.web.presence import served_queues

BADGES = {
    RunState.QUEUED: "",
    RunState.RUNNING: "info",
    RunState.CANCELLING: "warn",
    RunState.SUCCEEDED: "ok",
    RunState.FAILED: "bad",
    RunState.CANCELLED: "warn",
}
_SECTIONS = {
    RunKind.PREPARATION: "models", RunKind.SAMPLING: "items", RunKind.SCORING: "rewards",
    RunKind.EVALUATION: "policies", RunKind.IMPORT: "imports", RunKind.UNDO: "imports", RunKind.EXPORT: "labels",
}  # fmt: skip
# The pages on which models of a kind are found, and what these are called.
SECTIONS = {ModelKind.BASE: "policies", ModelKind.POLICY: "policies", ModelKind.REWARD: "rewards"}
SECTION_TITLES = {"policies": "Policies", "rewards": "Reward models"}


@dataclass(frozen=True)
class Progress:
    """How far a run is; share in 0..1 and seconds left are None where they are not known."""

    share: float | None
    seconds_left: float | None


def title(run: Run) -> str:
    """`PPO 12`, `Scoring 9`, and the name that it was given: `PPO 12: longer answers`."""
    return f"{kind_of(run)} {run.id}" + (f": {run.name}" if run.name else "")


def kind_of(run: Run) -> str:
    """The kind of work in a word or two."""
    return title_of(run.method) if run.method else KINDS[run.kind]


def about(run: Run) -> str:
    """What goes into the run, in a few words."""
    if run.method in METHODS:
        return METHODS[run.method].about(run)
    if isinstance(run.config, PreparationConfig):
        return run.config.source
    if isinstance(run.config, ImportConfig):
        return f"{run.config.what} from {run.config.name}"
    if isinstance(run.config, UndoConfig):
        return f"import {run.config.import_id}"
    if isinstance(run.config, ExportConfig):
        return f"{run.config.wanted.layout} as {run.config.wanted.written_as}"
    if isinstance(run.config, ScoringConfig) and run.config.policy_ids and run.reward_model is not None:
        return f"{plural(len(run.config.policy_ids), 'policy', 'policies')} by {run.reward_model.name}"
    if run.baseline is None:
        return run.model.name
    more = len(run.config.other_ids) if isinstance(run.config, EvaluationConfig) else 0
    return f"{run.model.name} against {run.baseline.name}" + (f" and {plural(more, 'other')}" if more else "")


def pages_of(model: Model) -> str:
    """The pages on which the model is found."""
    return SECTIONS[model.kind]


def section(run: Run) -> str:
    """The part of the project that a run is for, by whose sign it is known."""
    if run.kind is RunKind.TRAINING:
        return SECTIONS[METHODS[run.method].makes] if run.method and run.method in METHODS else "runs"
    return _SECTIONS[run.kind]


def making(runs: list[Run], kind: ModelKind) -> list[Run]:
    """Those of these trainings that make models of a kind."""
    return [run for run in runs if run.method in METHODS and METHODS[run.method].makes is kind]


def samples_title(run: Run) -> str | None:
    """The heading of what the run writes down now and then; None for a run that does not."""
    return METHODS[run.method].samples if run.method in METHODS else None


def outcome(run: Run) -> str | None:
    """What a training has reached, in a few words that follow "it"."""
    if run.method not in METHODS or run.summary is None:
        return None
    return METHODS[run.method].outcome(run.summary)


def waits_for(run: Run) -> str | None:
    """What a queued run waits for, as the workers have last said that they are there."""
    if run.state is not RunState.QUEUED:
        return None
    queue, who = queue_of(run), "a worker with a GPU" if run.needs_gpu else "a worker"
    served = served_queues()
    if served is not None and queue not in served:
        return f"Waits for {who}: nobody serves the queue “{queue}” now. It starts as soon as a worker does."
    return f"Waits for {who} that is free."


def progress(run: Run) -> Progress:
    """Share done and time left at the present rate."""
    if run.state is RunState.SUCCEEDED:
        return Progress(1.0, None)
    if not run.total_steps:
        return Progress(None, None)
    left = max(0, run.total_steps - run.step)
    seconds = left / run.steps_per_second if run.state is RunState.RUNNING and run.steps_per_second else None
    return Progress(min(1.0, run.step / run.total_steps), seconds)
