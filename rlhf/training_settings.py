"""The settings that every training has. Knows no torch, so that `--help` answers at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Le, Lt

from rlhf.runtime import DtypeName, token_budget
from rlhf.setting_types import Seed, Share
from rlhf.settings import Doc, Settings, settings_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """What a trainer's own settings are added to. Named as in transformers' TrainingArguments where they have a name.

    usual_rates: the learning rate where none is set, for all weights and with LoRA. tokens_on_cpu: `token_budget`
    where none is set, on a CPU.
    """

    usual_rates: ClassVar[tuple[float, float]] = (5e-5, 2e-4)
    tokens_on_cpu: ClassVar[int] = 2048

    model: Annotated[str, Doc("Model to start from: a folder or a hub id.", "Model", group="local")]
    output: Annotated[
        str, Doc("Folder for metrics, checkpoints and the finished model.", group="local", may_change=True)
    ]
    resume: Annotated[
        bool, Doc("Continue from the newest checkpoint in the output folder.", group="local", may_change=True)
    ] = False
    device: Annotated[str, Doc("auto, cpu or cuda.", group="local", may_change=True)] = "auto"
    report_to: Annotated[
        str,
        Doc("Trackers: none, tensorboard, wandb or trackio; several with commas.", group="local", may_change=True),
    ] = "none"
    save_seconds: Annotated[
        float,
        Ge(0),
        Le(86_400),
        Doc("Time between checkpoints, besides those at evaluations.", "Save every", "seconds", "local", True),
    ] = 60.0

    learning_rate: Annotated[
        float | None,
        Ge(0),
        Le(0.1),
        Doc("Peak learning rate. Empty: a usual one, higher with LoRA.", "Learning rate", group="main"),
    ] = None
    use_peft: Annotated[bool, Doc("Train LoRA adapters instead of all weights: less memory.", "LoRA", group="main")] = (
        False
    )
    seed: Annotated[Seed, Doc("Seed of everything random; the same seed repeats a run.", group="main")] = 0
    lora_r: Annotated[int, Ge(1), Le(1024), Doc("Rank of the LoRA adapters.", "LoRA rank")] = 16
    lora_alpha: Annotated[
        int, Ge(1), Le(4096), Doc("Scale of the LoRA adapters: alpha / rank multiplies them.", "LoRA alpha")
    ] = 32
    weight_decay: Annotated[float, Ge(0), Le(1), Doc("Weight decay of AdamW.")] = 0.0
    adam_beta1: Annotated[float, Ge(0), Lt(1), Doc("First decay rate of AdamW.", "Adam beta 1")] = 0.9
    adam_beta2: Annotated[float, Ge(0), Lt(1), Doc("Second decay rate of AdamW.", "Adam beta 2")] = 0.999
    adam_epsilon: Annotated[float, Ge(1e-12), Le(1), Doc("Epsilon of AdamW.")] = 1e-5
    max_grad_norm: Annotated[
        float, Ge(0.001), Le(1000), Doc("Gradients with a larger norm are scaled down to it.", "Gradient norm")
    ] = 1.0
    max_skipped_steps: Annotated[
        int,
        Ge(1),
        Le(1000),
        Doc("Fail after this many optimiser steps in a row whose loss or gradient is not finite.", unit="steps"),
    ] = 5
    max_bad_share: Annotated[
        Share,
        Doc("Refuse data of which a larger share of the rows is unusable.", "Bad rows allowed", "share"),
    ] = 0.05
    token_budget: Annotated[
        int | None,
        Ge(1),
        Le(1_000_000),
        Doc(
            "Tokens computed at once; sets memory and speed. Empty: what suits the device.", "Tokens at once", "tokens"
        ),
    ] = None
    gradient_checkpointing: Annotated[
        bool, Doc("Recompute activations in the backward pass: less memory, about a third more time.")
    ] = False
    dtype: Annotated[
        DtypeName, Doc("Number format of the computation; trained weights stay in float32.", "Number format")
    ] = "auto"

    @property
    def peak_learning_rate(self) -> float:
        return self.usual_rates[self.use_peft] if self.learning_rate is None else self.learning_rate

    def tokens_at_once(self, device: torch.device) -> int:
        """`token_budget`, or what suits the device."""
        return token_budget(self.token_budget, device, on_cpu=self.tokens_on_cpu)

    def fixed(self) -> dict[str, Any]:
        """The settings that a resumed run must share with the run that it continues."""
        return {each.name: getattr(self, each.name) for each in settings_of(type(self)) if not each.doc.may_change}
