"""The settings of every training on preference pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from rlhf.epoch_settings import EpochSettings
from rlhf.setting_types import LongestPair
from rlhf.settings import Doc, Rule


@dataclass(frozen=True, kw_only=True)
class PairSettings(EpochSettings):
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
    data_note: Annotated[
        str, Doc("What the model's card says of where the pairs are from.", "Note", group="local", may_change=True)
    ] = ""

    max_length: LongestPair = 1024
    eval_pairs: Annotated[
        int,
        Ge(1),
        Le(1_000_000),
        Doc("Holdout pairs in an evaluation while training; the final one takes all.", "Pairs to evaluate", "pairs"),
    ] = 128
