"""The settings of every training that goes through its data a number of times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from rlhf.settings import Doc
from rlhf.training_settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class EpochSettings(TrainingSettings):
    """How long it trains, and when it measures itself."""

    holdout: Annotated[
        float,
        Ge(0),
        Le(0.9),
        Doc("Share of the prompts held out where no holdout is given.", "Holdout share", "share", "local"),
    ] = 0.1

    num_train_epochs: Annotated[
        float, Ge(0.01), Le(50), Doc("How often all of the data is seen.", "Epochs", "epochs", "main")
    ] = 2.0
    train_batch_size: Annotated[
        int, Ge(1), Le(4096), Doc("Examples in one update, over all processes.", "Batch size", "examples", "main")
    ] = 16
    max_steps: Annotated[
        int | None, Ge(1), Le(10_000_000), Doc("Steps to train instead of epochs.", "Steps", "steps")
    ] = None
    warmup_ratio: Annotated[
        float, Ge(0), Le(0.99), Doc("Share of the steps in which the learning rate rises.", "Warm-up share", "share")
    ] = 0.0
    early_stopping_patience: Annotated[
        int,
        Ge(0),
        Le(1000),
        Doc(
            "Stop after this many evaluations without a lower holdout loss; 0: never.",
            "Patience",
            "evaluations",
            may_change=True,
        ),
    ] = 3
    eval_steps: Annotated[
        int | None,
        Ge(1),
        Le(10_000_000),
        Doc("Steps between evaluations. Empty: eight evaluations in the run.", "Evaluate every", "steps"),
    ] = None
