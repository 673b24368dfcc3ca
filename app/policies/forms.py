"""What a client may send to start PPO, to compare policies and to promote one."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.input import Id, Input, LearningRate, Seed, Temperature
from app.runs import copies


class PolicyForm(copies.CopyForm):
    """Settings of a PPO run, with defaults for a model of about 135M parameters on two cores."""

    model_config = ConfigDict(extra="forbid")

    reward_model_id: Id | None = Field(None, title="Reward model", description="Blank: the newest")
    start_from: Literal["promoted", "base"] = Field(
        "promoted", title="Start from", description="This model is also the reference for the KL penalty"
    )
    total_episodes: int = Field(256, ge=2, le=10_000_000, title="Episodes", description="Answers to learn from in all")
    batch_size: int = Field(32, ge=2, le=65_536, title="Batch size", description="Answers drawn for an update")
    max_new_tokens: int = Field(64, ge=1, le=8192, title="Longest answer", description="In tokens")
    learning_rate: LearningRate = Field(1e-4, title="Learning rate", description="About 1e-4 with LoRA, 3e-6 without")
    beta: float = Field(0.05, ge=0, le=10, title="KL penalty", description="Weight on every token")
    kl_budget: float = Field(
        20.0, ge=0.01, le=10_000, title="KL budget", description="Nats an answer; beyond it the run stops"
    )
    use_peft: bool = Field(True, title="LoRA", description="Train adapters instead of all weights: less memory")
    lora_r: int = Field(16, ge=1, le=1024, title="LoRA rank")
    lora_alpha: int = Field(32, ge=1, le=4096, title="LoRA alpha")
    value_model: Literal["shared", "separate"] = Field(
        "shared", title="Value model", description="shared: a head on the policy; separate: from the reward model"
    )
    num_ppo_epochs: int = Field(2, ge=1, le=100, title="PPO epochs", description="Times each batch is gone through")
    num_mini_batches: int = Field(2, ge=1, le=1024, title="Minibatches", description="Optimiser steps an epoch")
    temperature: Temperature = Field(1.0, title="Temperature")
    max_prompt_tokens: int = Field(
        256, ge=1, le=131_072, title="Longest prompt", description="In tokens; cut on the left"
    )
    adaptive_kl: bool = Field(False, title="Adaptive KL", description="Moves the penalty towards the target")
    kl_target: float = Field(6.0, ge=0.01, le=10_000, title="KL target", description="Nats an answer")
    gamma: float = Field(1.0, ge=0.01, le=1, title="Gamma")
    lam: float = Field(0.95, ge=0, le=1, title="Lambda")
    cliprange: float = Field(0.2, ge=0.001, le=10, title="Ratio clip")
    cliprange_value: float = Field(0.2, ge=0.001, le=100, title="Value clip")
    vf_coef: float = Field(0.1, ge=0, le=100, title="Value loss weight")
    missing_end_penalty: float = Field(
        1.0,
        ge=0.001,
        le=1000,
        title="Penalty without an end",
        description="An answer that never ended gets so much less than the worst finished one",
    )
    whiten_rewards: bool = Field(False, title="Whiten rewards")
    max_grad_norm: float = Field(1.0, ge=0.001, le=1000, title="Gradient norm")
    eval_steps: int = Field(2, ge=1, le=100_000, title="Updates between evaluations")
    eval_size: int = Field(32, ge=2, le=100_000, title="Holdout prompts in an evaluation")
    token_budget: int | None = Field(
        None,
        ge=64,
        le=1_000_000,
        title="Tokens at once",
        description="Sets memory and speed; blank: as suits the worker",
    )
    gradient_checkpointing: bool = Field(False, title="Gradient checkpointing", description="Less memory, more time")
    seed: Seed = Field(0, title="Seed")
    needs_gpu: bool = Field(False, title="Needs a GPU", description="Waits for a worker that serves the gpu queue")

    def settings(self) -> dict[str, Any]:
        """What the learning library is given."""
        return self.model_dump(exclude={"reward_model_id", "start_from", "needs_gpu", *copies.FIELDS})


class EvaluationForm(Input):
    """A blind comparison of a policy with another one."""

    model_config = ConfigDict(extra="forbid")

    baseline_id: Id | None = Field(None, description="Blank: the policy in use")
    comparisons: int = Field(100, ge=1, le=10_000, description="Pairs on holdout prompts")
    overlap: int = Field(1, ge=1, le=50, description="People asked about each pair")


class PromotionForm(Input):
    """Promotion; without evidence it has to be confirmed."""

    model_config = ConfigDict(extra="forbid")

    confirm_without_evaluation: bool = False
