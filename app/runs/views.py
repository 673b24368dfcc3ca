"""What the pages of runs say about a run: its title, its state in words, its progress, its charts."""

from dataclasses import dataclass

from app.models import Run, RunKind, RunState
from app.runs.service import queue_of
from app.web.presence import served_queues

KINDS = {
    RunKind.SAMPLING: "Sampling",
    RunKind.REWARD: "Reward training",
    RunKind.POLICY: "PPO",
    RunKind.EVALUATION: "Evaluation",
}
BADGES = {
    RunState.QUEUED: "",
    RunState.RUNNING: "info",
    RunState.CANCELLING: "warn",
    RunState.SUCCEEDED: "ok",
    RunState.FAILED: "bad",
    RunState.CANCELLED: "warn",
}
# Curves that are read together share a chart; trouble shows in the first ones. Other curves follow, one a chart.
CHARTS: dict[RunKind, list[tuple[str, list[str]]]] = {
    RunKind.REWARD: [
        ("Loss", ["loss", "eval_loss"]),
        ("Accuracy", ["accuracy", "eval_accuracy"]),
        ("Margin", ["margin", "eval_margin"]),
    ],
    RunKind.POLICY: [
        ("Reward", ["objective/scores", "eval/reward"]),
        ("KL to the reference", ["objective/kl", "eval/kl"]),
        ("Entropy", ["objective/entropy"]),
        ("Answer length", ["val/answer_tokens", "eval/answer_tokens"]),
        ("Clip fraction", ["policy/clipfrac_avg"]),
        ("Value loss", ["loss/value_avg"]),
    ],
    RunKind.SAMPLING: [],
    RunKind.EVALUATION: [],
}


@dataclass(frozen=True)
class Progress:
    """How far a run is; share in 0..1 and seconds left are None where they are not known."""

    share: float | None
    seconds_left: float | None


def title(run: Run) -> str:
    """`PPO 12`, `Scoring 9`."""
    return f"{kind_of(run)} {run.id}"


def kind_of(run: Run) -> str:
    """The kind of work in a word or two."""
    if run.kind is RunKind.EVALUATION and run.config.get("task") == "score":
        return "Scoring"
    return KINDS[run.kind]


def about(run: Run) -> str:
    """What goes into the run, in a few words."""
    if run.kind is RunKind.REWARD and run.snapshot is not None:
        about = f"{run.snapshot.label_count} labels, from {run.model.name}"
        return f"{about}: {run.config['question']}" if run.config.get("question") else about
    if run.kind is RunKind.POLICY and run.reward_model is not None:
        return f"{run.model.name} against {run.reward_model.name}"
    if run.baseline is not None:
        return f"{run.model.name} against {run.baseline.name}"
    return run.model.name


def waits_for(run: Run) -> str | None:
    """What a queued run waits for, as the workers have last said that they are there."""
    if run.state is not RunState.QUEUED:
        return None
    queue, who = queue_of(run), "a worker with a GPU" if run.needs_gpu else "a worker"
    served = served_queues()
    if served is not None and queue not in served:
        return f"Waits for {who}: nobody serves the queue “{queue}” now. It starts by itself once somebody does."
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


def charts(run: Run, names: list[str]) -> list[tuple[str, list[str]]]:
    """(title, curves) of the charts of a run that has these curves."""
    known = [(heading, [name for name in wanted if name in names]) for heading, wanted in CHARTS[run.kind]]
    grouped = {name for _, wanted in known for name in wanted}
    return [chart for chart in known if chart[1]] + [(name, [name]) for name in names if name not in grouped]
