"""The loop of every training: bad steps, evaluations, the best weights, stopping, checkpoints."""

import math
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from torch import nn

from rlhf.checkpoints import latest_checkpoint
from rlhf.config import Doc, InputError, Interrupted, RunFailed
from rlhf.processes import Processes
from rlhf.progress import RunLog
from rlhf.runtime import StopSignal
from rlhf.training import BEST, Evaluation, Trainer
from rlhf.training_run import train
from rlhf.training_settings import TrainingSettings
from tests.rlhf.preference_files import read_rows


@dataclass(frozen=True, kw_only=True)
class Config(TrainingSettings):
    """A training whose every number is given."""

    model: Annotated[str, Doc("Not used.")] = ""
    shown: Annotated[int, Doc("Not fixed.", may_change=True)] = 0


class Scripted(Trainer[float]):
    """Its weight is the number of its last good step; losses and values are given, a loss and a value for each step."""

    def __init__(
        self, config: Config, losses: Sequence[float], values: Sequence[float | None] = (), **changes: Any
    ) -> None:
        self.losses, self.values = losses, values
        self.seen: list[int] = []
        self.during: Callable[[str, int], None] = lambda place, step: None
        model = nn.Linear(1, 1, bias=False)
        given = {"total_steps": len(losses), "eval_every": 1 if values else 1000, "data": "numbers", **changes}
        super().__init__(config, model, Processes("cpu"), **given)

    def work(self, step: int) -> float:
        self.during("work", step)
        return self.losses[step - 1]

    def learn(self, step: int, unit: float) -> dict[str, float]:
        self.during("learn", step)
        self.seen.append(step)
        self.model.weight.grad = torch.zeros(1, 1)  # type: ignore[union-attr]
        if self.update([unit]):
            nn.init.constant_(self.model.weight, step)  # type: ignore[arg-type]
        return {"loss": unit}

    def evaluate(self, step: int) -> Evaluation | None:
        if not self.values:
            return None
        value = self.values[step - 1]
        return Evaluation({"eval": value or 0.0}, value, stop="enough" if value == 9 else None)

    @property
    def weight(self) -> float:
        return float(self.model.weight.detach())  # type: ignore[operator]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(output=str(tmp_path), max_skipped_steps=3, save_seconds=1000)


def run(trainer: Scripted) -> None:
    with StopSignal() as stop:
        start = trainer.resume()
        with RunLog(trainer.output, trainer.total_steps, trainer.counter, resume_step=start) as log:
            trainer.run(log, start, stop)


def stop_at(trainer: Scripted, place: str, step: int) -> None:
    """Let a signal come there."""

    def during(where: str, number: int) -> None:
        if (where, number) == (place, step):
            os.kill(os.getpid(), signal.SIGTERM)

    trainer.during = during


# ---- bad steps ---------------------------------------------------------------------------------------------------


def test_bad_steps_in_a_row_end_the_run_and_a_good_one_begins_the_count_anew(config: Config) -> None:
    trainer = Scripted(config, [1, math.nan, math.inf, 1, -math.inf, math.nan, 1])
    run(trainer)
    assert (trainer.weight, trainer.state["skipped"], trainer.state["skipped_in_a_row"]) == (7, 4, 0)
    bad = Scripted(config, [1, math.nan, math.nan, math.nan, 1])
    with pytest.raises(RunFailed, match=r"in 3 optimiser steps in a row; .* none, for the run had just begun; .*data"):
        run(bad)
    assert bad.seen == [1, 2, 3, 4]


def test_no_checkpoint_is_written_among_bad_steps(config: Config) -> None:
    trainer = Scripted(Config(output=config.output, max_skipped_steps=3, save_seconds=0), [1, 2, math.nan, math.nan, 1])
    stop_at(trainer, "learn", 4)
    with pytest.raises(Interrupted):
        run(trainer)
    assert latest_checkpoint(trainer.output) == trainer.output / "checkpoint-2"
    again = Scripted(config, trainer.losses)
    run(again)
    assert again.seen == [3, 4, 5]
    assert again.state["skipped"] == 2


# ---- evaluations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "best", "steps"),
    [
        ([1, 3, 2, 2.5], 2, 4),
        ([1, 2, 3, 4], 4, 4),
        ([3, 3, 3, 3], 1, 4),  # equal is not better
        ([None, 2, None, None], 2, 4),  # without a value they are no candidates
        ([2, 9, 3, 4], 2, 2),  # stopped, though the best
    ],
)
def test_the_best_weights_are_taken(config: Config, values: list[float | None], best: int, steps: int) -> None:
    trainer = Scripted(config, [1.0] * 4, values)
    run(trainer)
    assert (trainer.state["best_step"], trainer.weight, trainer.state["step"]) == (best, best, steps)
    assert [row["eval"] for row in read_rows(trainer.output / "metrics.jsonl")] == [v or 0 for v in values[:steps]]


def test_patience_ends_a_run_without_gain(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = Scripted(config, [1.0] * 9, [2, 1, 3, 1, 2, 9, 9, 9, 9], patience=2)
    run(trainer)
    assert (trainer.state["step"], trainer.state["stop_reason"], trainer.weight) == (5, "no_gain", 3)
    assert "no gain on the holdout in 2 evaluations" in capsys.readouterr().err


def test_without_evaluations_the_last_weights_stay(config: Config) -> None:
    trainer = Scripted(config, [1.0] * 5)
    run(trainer)
    assert (trainer.state["best_step"], trainer.weight) == (None, 5)
    assert not (trainer.output / BEST).exists()


# ---- stopping ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "at", "done"), [("work", 3, 2), ("learn", 3, 3), ("work", 1, 0), ("learn", 5, None)])
def test_a_signal_leaves_a_checkpoint_after_the_last_whole_step(
    config: Config, place: str, at: int, done: int | None
) -> None:
    values = [3.0, 1, 2, 1, 1]
    trainer = Scripted(config, [1.0] * 5, values)
    stop_at(trainer, place, at)
    if done is None:  # nothing is left to stop
        run(trainer)
    else:
        with pytest.raises(Interrupted, match=f"stopped after step {done} of 5; start again with --resume"):
            run(trainer)
        assert latest_checkpoint(trainer.output) == trainer.output / f"checkpoint-{done}"
        trainer = Scripted(config, [1.0] * 5, values)
        run(trainer)
        assert trainer.seen == list(range(done + 1, 6))
    assert trainer.weight == 1  # of the best evaluation, from before the stop
    assert [row["step"] for row in read_rows(trainer.output / "metrics.jsonl")] == [1, 2, 3, 4, 5]


def test_a_run_goes_on_with_what_it_began_with_only(config: Config) -> None:
    def interrupted() -> Scripted:
        trainer = Scripted(config, [1.0] * 5)
        stop_at(trainer, "work", 3)
        return trainer

    with pytest.raises(Interrupted):
        run(interrupted())
    other = {"output": config.output, "max_skipped_steps": 3}
    assert Scripted(Config(**other, shown=7, save_seconds=1), [1.0] * 5).resume() == 2
    with pytest.raises(InputError, match=r"--seed, --lora_r changed since .*checkpoint-2"):
        Scripted(Config(**other, seed=1, lora_r=2), [1.0] * 5).resume()
    with pytest.raises(InputError, match=r"the data changed since .*checkpoint-2"):
        Scripted(config, [1.0] * 5, data="other numbers").resume()
    with pytest.raises(InputError, match="checkpoint-2 is of another version of this trainer: start anew"):
        Scripted(config, [1.0] * 5, state={"new": 1}).resume()


def test_a_finished_run_is_not_run_again(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    made: list[Scripted] = []

    def prepare(config: Config, processes: Processes) -> Any:
        made.append(Scripted(config, [1.0] * 3))

        def finish(seconds: float) -> dict[str, Any]:
            (made[-1].output / "model").mkdir(exist_ok=True)
            return {"weight": made[-1].weight}

        return made[-1], finish

    assert train(config, prepare) == {"weight": 3}
    again = Config(output=config.output, max_skipped_steps=3, resume=True)
    assert train(again, prepare) == {"weight": 3}
    assert len(made) == 1
    assert capsys.readouterr().out == '{"weight": 3.0}\n' * 2
    assert train(config, prepare) == {"weight": 3}
    assert len(made) == 2
