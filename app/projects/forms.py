"""What a client may send about a project."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AnswerSettings(BaseModel):
    """How an annotator answers."""

    model_config = ConfigDict(extra="forbid")

    levels: Literal[0, 2, 3, 4] = Field(0, description="Strength levels a side; 0 asks only which answer is better")
    tie: bool = True
    both_bad: bool = True
    submit_on_choice: bool = Field(True, description="A choice is sent at once; otherwise it is confirmed with Enter")
    reasons: list[str] = Field(default_factory=list, max_length=12)
    comment: Literal["off", "optional", "required"] = "optional"


class SamplingSettings(BaseModel):
    """How answers are drawn."""

    model_config = ConfigDict(extra="forbid")

    strategy: Literal["mixed", "stochastic"] = Field(
        "mixed", description="mixed: the most probable answer against a drawn one; stochastic: two drawn ones"
    )
    temperature: float = Field(1.0, gt=0, le=5)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, le=100_000, description="0 considers every token")
    max_new_tokens: int = Field(256, ge=1, le=8192)


class AutomationSettings(BaseModel):
    """What the platform starts by itself."""

    model_config = ConfigDict(extra="forbid")

    keep_queue_filled: bool = Field(True, description="Sample new pairs whenever fewer than the queue depth are open")
    retrain_reward: bool = Field(False, description="Train a reward model after every so many new labels")
    labels_between_rewards: int = Field(200, ge=10, le=1_000_000)
    refresh_pairs: bool = Field(True, description="Sample new pairs from a policy as soon as it is promoted")
