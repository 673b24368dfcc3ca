"""What a client may send to start a reward training. The learning library checks its own settings once more."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.input import Input, LearningRate, Seed
from app.runs import copies

Aggregation = Literal["mean", "reliability"]


class RewardForm(copies.CopyForm):
    """Settings of a reward training, with defaults for a model of about 135M parameters on two cores."""

    model_config = ConfigDict(extra="forbid")

    num_train_epochs: float = Field(2.0, ge=0.01, le=50, title="Epochs", description="Times that all pairs are seen")
    learning_rate: LearningRate = Field(5e-5, title="Learning rate", description="Peak; it decays by a cosine")
    train_batch_size: int = Field(16, ge=1, le=4096, title="Batch size", description="Pairs in one update")
    question: str = Field(
        "", max_length=80, title="Question", description="Whose answers it learns from; empty: the main one"
    )
    aggregation: Aggregation = Field(
        "mean",
        title="Several labels of one pair",
        description="mean: all raters count alike; reliability: raters are weighted by how often others confirm them "
        "(Dawid and Skene)",
    )
    max_length: int = Field(
        512, ge=16, le=131_072, title="Longest sequence", description="Tokens of prompt and answer; prompts are cut"
    )
    heads: int = Field(
        4, ge=1, le=32, title="Score heads", description="Their spread tells how unsure the model is about an answer"
    )
    use_peft: bool = Field(False, title="LoRA", description="Train adapters instead of all weights: less memory")
    lora_r: int = Field(16, ge=1, le=1024, title="LoRA rank")
    lora_alpha: int = Field(32, ge=1, le=4096, title="LoRA alpha")
    warmup_ratio: float = Field(0.0, ge=0, le=0.99, title="Warm-up share", description="Steps in which the rate rises")
    weight_decay: float = Field(0.0, ge=0, le=1, title="Weight decay")
    max_grad_norm: float = Field(1.0, ge=0.001, le=1000, title="Gradient norm", description="Longer gradients are cut")
    center_rewards_coefficient: float = Field(
        0.01, ge=0, le=10, title="Centring", description="Weight of the term that keeps scores near 0"
    )
    early_stopping_patience: int = Field(
        3, ge=0, le=1000, title="Patience", description="Evaluations without a better holdout loss; 0: never stop early"
    )
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
        return self.model_dump(exclude={"question", "aggregation", "needs_gpu", *copies.FIELDS})


class ScoreForm(Input):
    """A text to be scored by a reward model."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=20_000)
    response: str = Field(min_length=1, max_length=20_000)
