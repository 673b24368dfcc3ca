"""The settings of every training on preference pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from rlhf.settings import Doc, Rule
from rlhf.training_settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class PairSettings(TrainingSettings):
    """What trainings on preference pairs have in common: the pairs, the holdout, and how long they train."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "choose_data",
            needs="eval_data",
            message="Pairs that choose the checkpoint need others to report on: set eval_data too.",
        ),
    )

    data: Annotated[
        str, Doc("Preference pairs: .jsonl, .jsonl.gz or .parquet.", "Pairs", group="local", may_change=True)
    ]
    eval_data: Annotated[
        str | None,
        Doc("Holdout pairs. Empty: a share of the pairs, by prompt.", "Holdout pairs", group="local", may_change=True),
    ] = None
    choose_data: Annotated[
        str | None,
        Doc(
            "Holdout pairs that choose the checkpoint. Empty: half of the holdout prompts.",
            "Pairs that choose",
            group="local",
            may_change=True,
        ),
    ] = None
    holdout: Annotated[
        float,
        Ge(0),
        Le(0.9),
        Doc("Share of the prompts held out where no holdout pairs are given.", "Holdout share", "share", "local"),
    ] = 0.1

    num_train_epochs: Annotated[
        float, Ge(0.01), Le(50), Doc("How often all pairs are seen.", "Epochs", "epochs", "main")
    ] = 2.0
    train_batch_size: Annotated[
        int, Ge(1), Le(4096), Doc("Pairs in one update, over all processes.", "Batch size", "pairs", "main")
    ] = 16
    max_length: Annotated[
        int,
        Ge(16),
        Le(131_072),
        Doc("Longest prompt with response; longer prompts are cut on the left.", "Longest sequence", "tokens", "main"),
    ] = 1024
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
        Doc("Steps between evaluations. Empty: four evaluations in the run.", "Evaluate every", "steps"),
    ] = None
    eval_pairs: Annotated[
        int,
        Ge(1),
        Le(1_000_000),
        Doc("Holdout pairs in an evaluation while training; the final one takes all.", "Pairs to evaluate", "pairs"),
    ] = 128
