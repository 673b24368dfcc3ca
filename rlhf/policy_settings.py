"""Every setting of PPO, documented and bounded. Knows no torch, so that `--help` answers at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rlhf.config import Doc, Ge, Gt, Le, Lt, to_dict
from rlhf.runtime import DtypeName, token_budget
from rlhf.types import LEAST_TEMPERATURE

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PolicyConfig:
    """Fine-tune a language model against a reward model with PPO."""

    model: Annotated[str, Doc("Policy to start from, and the reference: a prepared model folder or a hub id.")]
    reward: Annotated[str, Doc("Reward model: a folder with a sequence classifier of one label.")]
    prompts: Annotated[str, Doc("Prompts to train on: JSONL (also .gz) or Parquet with `prompt`, text or messages.")]
    output: Annotated[str, Doc("Folder for metrics, samples, checkpoints and the finished model.")]
    eval_prompts: Annotated[
        str | None, Doc("Holdout prompts; without them a share of --prompts is held out by its text.")
    ] = None
    choose_prompts: Annotated[
        str | None,
        Doc(
            "Holdout prompts that choose the best policy, --eval_prompts then only reporting on it; none: half of them."
        ),
    ] = None
    holdout: Annotated[float, Gt(0), Lt(1), Doc("Share of prompts held out of --prompts without --eval_prompts.")] = 0.1
    max_bad_share: Annotated[float, Ge(0), Le(1), Doc("Refuse prompts with more unusable rows than this share.")] = 0.05
    eval_size: Annotated[
        int, Ge(2), Doc("Holdout prompts answered in an evaluation, at most; as many report at the end.")
    ] = 64
    resume: Annotated[bool, Doc("Go on from the newest checkpoint in --output, where there is one.")] = False

    # How much
    total_episodes: Annotated[int, Ge(1), Doc("Answers to learn from in all; updates = this / batch_size.")] = 1024
    batch_size: Annotated[int, Ge(2), Doc("Answers (episodes) drawn for an update, over all processes.")] = 64
    num_mini_batches: Annotated[int, Ge(1), Doc("Optimiser steps an epoch takes through one batch.")] = 4
    num_ppo_epochs: Annotated[int, Ge(1), Doc("Times each batch is gone through, reshuffled each time.")] = 4
    token_budget: Annotated[
        int | None,
        Ge(1),
        Doc("Tokens computed at once, padding included; none: 1024, on a GPU 16384. Sets memory and speed alone."),
    ] = None
    eval_steps: Annotated[int, Ge(1), Doc("Updates between evaluations on the holdout prompts.")] = 4
    save_seconds: Annotated[float, Ge(0), Doc("Seconds between checkpoints, beside those at evaluations.")] = 60.0
    sample_steps: Annotated[int, Ge(1), Doc("Updates between answers written to samples.jsonl.")] = 2
    samples_shown: Annotated[int, Ge(0), Doc("Answers written there each time.")] = 4

    # Sampling
    max_new_tokens: Annotated[int, Ge(1), Doc("Longest answer in tokens, its end token included.")] = 64
    max_prompt_tokens: Annotated[
        int, Ge(1), Doc("Longest prompt; of a longer one the last tokens are kept, and it is counted.")
    ] = 512
    temperature: Annotated[
        float,
        Ge(LEAST_TEMPERATURE),
        Doc("Divides the logits of sampling, training and reference alike; no top-k or top-p here."),
    ] = 1.0

    # Rewards
    beta: Annotated[float, Ge(0), Doc("Weight of the KL penalty on every token.")] = 0.05
    adaptive_kl: Annotated[bool, Doc("Move beta towards kl_target (Ziegler et al. 2019).")] = False
    kl_target: Annotated[float, Gt(0), Doc("KL to the reference that adaptive_kl aims at, nats an answer.")] = 6.0
    kl_horizon: Annotated[int, Ge(1), Doc("Episodes in which adaptive_kl moves beta by 20% at most.")] = 10_000
    kl_budget: Annotated[
        float, Gt(0), Doc("KL to the reference, nats an answer, beyond which the run stops and no model is kept.")
    ] = 20.0
    score_clip: Annotated[float | None, Gt(0), Doc("Clip scores to plus or minus this; none: as they are.")] = None
    missing_end_penalty: Annotated[
        float,
        Gt(0),
        Doc("An answer that never ended gets the lowest finished score of its batch, or its own, less this."),
    ] = 1.0
    normalize_scores: Annotated[
        bool, Doc("Subtract the mean and divide by the std that the reward model's config carries, if any.")
    ] = True
    whiten_rewards: Annotated[bool, Doc("Scale token rewards to variance 1; what is 0 stays 0.")] = False
    whiten_advantages: Annotated[bool, Doc("Scale advantages to mean 0 and variance 1 over real tokens.")] = True

    # Losses
    gamma: Annotated[float, Gt(0), Le(1), Doc("Discount of rewards, per token.")] = 1.0
    lam: Annotated[float, Ge(0), Le(1), Doc("Lambda of generalised advantage estimation.")] = 0.95
    cliprange: Annotated[float, Gt(0), Doc("PPO's clip of the probability ratio.")] = 0.2
    cliprange_value: Annotated[float | None, Gt(0), Doc("Clip of a value's change in an update; none: no clip.")] = 0.2
    vf_coef: Annotated[float, Ge(0), Doc("Weight of the value loss.")] = 0.1
    importance_correction: Annotated[
        bool, Doc("Weight the policy loss by min(pi / pi_sampler, importance_cap): for a sampler of fewer digits.")
    ] = False
    importance_cap: Annotated[float, Ge(1), Doc("Highest such weight (truncated importance sampling).")] = 2.0
    max_approx_kl: Annotated[
        float | None, Gt(0), Doc("End an update early once the mean squared log-ratio / 2 passes this; none: never.")
    ] = 0.1

    # Optimisation
    learning_rate: Annotated[
        float | None, Ge(0), Doc("Peak learning rate, decayed linearly to 0; none: 3e-6, or 1e-4 with LoRA.")
    ] = None
    value_learning_rate: Annotated[
        float | None, Ge(0), Doc("Learning rate of the value model or value head; none: learning_rate.")
    ] = None
    adam_beta1: Annotated[float, Ge(0), Doc("AdamW's first decay.")] = 0.9
    adam_beta2: Annotated[float, Ge(0), Doc("AdamW's second decay.")] = 0.999
    adam_epsilon: Annotated[float, Gt(0), Doc("AdamW's epsilon.")] = 1e-5
    weight_decay: Annotated[float, Ge(0), Doc("AdamW's weight decay.")] = 0.0
    max_grad_norm: Annotated[float, Gt(0), Doc("Norm to which gradients are clipped.")] = 1.0
    max_skipped_steps: Annotated[
        int, Ge(0), Doc("Optimiser steps that may be skipped for a loss that is not finite before the run fails.")
    ] = 5

    # Models
    value_model: Annotated[
        Literal["separate", "shared"], Doc("A model of its own, begun as the reward model, or a head on the policy.")
    ] = "separate"
    use_peft: Annotated[bool, Doc("Train LoRA adapters instead of all weights.")] = False
    lora_r: Annotated[int, Gt(0), Doc("LoRA's rank.")] = 16
    lora_alpha: Annotated[int, Gt(0), Doc("LoRA's alpha.")] = 32
    lora_last_layers: Annotated[
        int | None, Gt(0), Doc("Adapt only so many of the last layers, which shortens the way back; none: all.")
    ] = None
    gradient_checkpointing: Annotated[bool, Doc("Compute activations again in backward: less memory, slower.")] = False
    head_chunk: Annotated[
        int | None, Ge(1), Doc("Answer tokens that go through the language head at once; none: 256, on a GPU 2048.")
    ] = None
    dtype: Annotated[DtypeName, Doc("Of the products; trained weights and optimiser stay in float32.")] = "auto"
    device: Annotated[str, Doc("auto, cpu or cuda.")] = "auto"
    seed: Annotated[int, Ge(0), Doc("Of the sampling, the shuffling and the adapters' start.")] = 0
    report_to: Annotated[str, Doc("none, tensorboard, wandb, trackio; several with commas.")] = "none"

    def __post_init__(self) -> None:
        if self.num_mini_batches > self.batch_size:
            raise ValueError(
                f"num_mini_batches ({self.num_mini_batches}) cannot exceed batch_size ({self.batch_size}): "
                "each optimiser step needs an answer"
            )
        if self.choose_prompts and not self.eval_prompts:
            raise ValueError("choose_prompts needs other holdout prompts to report on: set eval_prompts too")
        if self.lora_last_layers is not None and not self.use_peft:
            raise ValueError("lora_last_layers needs LoRA: set use_peft too")

    @property
    def updates(self) -> int:
        """Updates in the whole run; the last batch is as large as the others."""
        return -(-self.total_episodes // self.batch_size)

    @property
    def peak_learning_rate(self) -> float:
        default = 1e-4 if self.use_peft else 3e-6
        return default if self.learning_rate is None else self.learning_rate

    def tokens_at_once(self, device: "torch.device") -> int:
        """`token_budget`, or what suits the device."""
        return token_budget(self.token_budget, device, on_cpu=1024)


# What may differ between a run and its resumption without making it another run.
FREE = {"output", "resume", "report_to", "save_seconds", "device", "samples_shown"}
FREE |= {"prompts", "eval_prompts", "choose_prompts"}  # their content is looked at instead


def fixed_settings(config: PolicyConfig) -> dict[str, Any]:
    """The settings that a resumed run must share with the run it goes on with."""
    return {name: value for name, value in to_dict(config).items() if name not in FREE}
