"""The settings of direct preference optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from rlhf.pair_settings import PairSettings
from rlhf.settings import Doc


@dataclass(frozen=True, kw_only=True)
class DPOConfig(PairSettings):
    """Fine-tune a language model on preference pairs with DPO, without a reward model."""

    usual_rates: ClassVar[tuple[float, float]] = (1e-6, 5e-5)

    beta: Annotated[
        float,
        Ge(0.001),
        Le(10),
        Doc("How strongly the model is held to its start: the higher, the closer it stays.", "Beta", group="main"),
    ] = 0.1
    loss: Annotated[
        Literal["sigmoid", "ipo", "hinge"],
        Doc(
            "DPO's is the usual one; IPO's cannot run away on clear preferences; SLiC's stops at a margin.",
            "Loss",
            group="main",
            choices=("DPO (sigmoid)", "IPO (squared)", "SLiC (hinge)"),
        ),
    ] = "sigmoid"
    length_normalized: Annotated[
        bool, Doc("Divide log-ratios by the response's tokens, so that length counts for less.", "Length-normalised")
    ] = False
    head_chunk: Annotated[
        int | None,
        Ge(1),
        Le(1_000_000),
        Doc("Tokens that go through the language head at once. Empty: what suits the device.", unit="tokens"),
    ] = None
