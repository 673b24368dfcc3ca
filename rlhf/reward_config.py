"""The settings of `python -m rlhf.train_reward`, named as in transformers' TrainingArguments where they have a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rlhf.config import Doc, Ge, Gt, Le, Lt, to_dict
from rlhf.runtime import DtypeName, token_budget

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class RewardConfig:
    """Trains a reward model from preference pairs."""

    model: Annotated[str, Doc("Base policy: a folder or hub id. A reward model's folder is trained further.")]
    data: Annotated[str, Doc("Preference pairs: .jsonl, .jsonl.gz or .parquet.")]
    output: Annotated[str, Doc("Folder for metrics, checkpoints and the finished model.")]
    eval_data: Annotated[str | None, Doc("Holdout pairs; none: a share of --data is held out, by prompt.")] = None
    choose_data: Annotated[
        str | None,
        Doc("Holdout pairs that choose the checkpoint, --eval_data then only reporting on it; none: half the prompts."),
    ] = None
    holdout: Annotated[float, Ge(0), Lt(1), Doc("Share of prompts held out of --data without --eval_data.")] = 0.1
    max_bad_share: Annotated[float, Ge(0), Le(1), Doc("Refuse data with more unusable rows than this share.")] = 0.05
    resume: Annotated[bool, Doc("Go on from the newest checkpoint in --output, if there is one.")] = False
    seed: Annotated[int, Ge(0), Doc("Seed of the head, the data order and the holdout.")] = 0

    max_length: Annotated[int, Gt(1), Doc("Tokens of prompt and answer; longer prompts are cut on the left.")] = 1024
    num_train_epochs: Annotated[float, Gt(0), Doc("Times that all pairs are seen.")] = 1.0
    max_steps: Annotated[int | None, Gt(0), Doc("Steps to train, instead of epochs.")] = None
    train_batch_size: Annotated[int, Gt(0), Doc("Pairs in one update, over all processes.")] = 8
    token_budget: Annotated[
        int | None,
        Gt(0),
        Doc("Tokens computed at once, padding included; none: 2048, on a GPU 16384. Sets the memory."),
    ] = None
    learning_rate: Annotated[float | None, Gt(0), Doc("Peak rate; none: 5e-5, with LoRA 2e-4.")] = None
    warmup_ratio: Annotated[float, Ge(0), Lt(1), Doc("Share of the steps in which the rate rises.")] = 0.0
    weight_decay: Annotated[float, Ge(0), Doc("AdamW's decay.")] = 0.0
    adam_beta1: Annotated[float, Ge(0), Lt(1), Doc("AdamW's first beta.")] = 0.9
    adam_beta2: Annotated[float, Ge(0), Lt(1), Doc("AdamW's second beta.")] = 0.999
    adam_epsilon: Annotated[float, Gt(0), Doc("AdamW's epsilon.")] = 1e-5
    max_grad_norm: Annotated[float, Gt(0), Doc("Gradient norm beyond which it is scaled down.")] = 1.0
    center_rewards_coefficient: Annotated[float, Ge(0), Doc("Weight of the term that keeps scores near 0.")] = 0.01
    max_skipped_steps: Annotated[int, Gt(0), Doc("Fail after so many steps in a row that are not finite.")] = 5

    heads: Annotated[int, Gt(0), Doc("Score heads on the one trunk; their spread tells how unsure the model is.")] = 1
    use_peft: Annotated[bool, Doc("Train LoRA adapters and the head instead of all weights.")] = False
    lora_r: Annotated[int, Gt(0), Doc("LoRA's rank.")] = 16
    lora_alpha: Annotated[int, Gt(0), Doc("LoRA's alpha.")] = 32

    eval_steps: Annotated[int | None, Gt(0), Doc("Steps between evaluations; none: four in the run.")] = None
    eval_pairs: Annotated[
        int, Gt(0), Doc("Holdout pairs looked at while training, at most; all report at the end.")
    ] = 128
    early_stopping_patience: Annotated[
        int, Ge(0), Doc("Stop after so many evaluations without a better holdout loss, where pairs choose; 0: never.")
    ] = 3
    save_seconds: Annotated[float, Gt(0), Doc("Seconds between checkpoints, beside those at evaluations.")] = 60.0
    report_to: Annotated[str, Doc("Trackers, with commas: none, tensorboard, wandb, trackio.")] = "none"

    dtype: Annotated[DtypeName, Doc("Number format of the computation; weights stay float32.")] = "auto"
    device: Annotated[str, Doc("auto, cpu or cuda.")] = "auto"
    attn_implementation: Annotated[
        Literal["auto", "sdpa", "eager"], Doc("Attention of transformers; auto: sdpa where the model can have it.")
    ] = "auto"
    share_prompts: Annotated[bool, Doc("Compute what two answers have in common once.")] = True
    gradient_checkpointing: Annotated[bool, Doc("Less memory, about a third more time.")] = False

    def __post_init__(self) -> None:
        if self.choose_data and not self.eval_data:
            raise ValueError("choose_data needs other holdout pairs to report on: set eval_data too")

    @property
    def peak_learning_rate(self) -> float:
        return self.learning_rate or (2e-4 if self.use_peft else 5e-5)

    def tokens_at_once(self, device: torch.device) -> int:
        """`token_budget`, or what suits the device."""
        return token_budget(self.token_budget, device, on_cpu=2048)


# What may differ between a run and its resumption without making it another run.
FREE = {
    *("output", "resume", "report_to", "save_seconds", "device", "early_stopping_patience", "attn_implementation"),
    *("data", "eval_data", "choose_data"),  # their content is looked at instead
}


def fixed_settings(config: RewardConfig) -> dict[str, Any]:
    """The settings that a resumed run must share with the run it goes on with."""
    return {name: value for name, value in to_dict(config).items() if name not in FREE}
