"""The settings of supervised fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from rlhf.epoch_settings import EpochSettings
from rlhf.settings import Doc, Rule


@dataclass(frozen=True, kw_only=True)
class SFTConfig(EpochSettings):
    """Fine-tune a language model on demonstrations."""

    usual_rates: ClassVar[tuple[float, float]] = (2e-5, 2e-4)
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "choose_data",
            needs="eval_data",
            message="Demonstrations that choose the checkpoint need others to report on: set eval_data too.",
        ),
    )

    data: Annotated[
        str,
        Doc("Demonstrations: .jsonl, .jsonl.gz or .parquet.", "Demonstrations", group="local", may_change=True),
    ]
    eval_data: Annotated[
        str | None,
        Doc("Holdout demonstrations. Empty: a share of them, by prompt.", group="local", may_change=True),
    ] = None
    choose_data: Annotated[
        str | None,
        Doc(
            "Holdout demonstrations that choose the checkpoint. Empty: those of half of the holdout prompts.",
            group="local",
            may_change=True,
        ),
    ] = None

    max_length: Annotated[
        int,
        Ge(16),
        Le(131_072),
        Doc("Longest conversation; longer ones are cut on the left.", "Longest sequence", "tokens", "main"),
    ] = 1024
    head_chunk: Annotated[
        int | None,
        Ge(1),
        Le(1_000_000),
        Doc("Tokens that go through the language head at once. Empty: what suits the device.", unit="tokens"),
    ] = None
