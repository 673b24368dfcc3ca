"""How large the demo is. All of its numbers are here."""

import os
from dataclasses import dataclass
from typing import Any

from app.settings import get_settings

LEAST_COMPARISONS = 100


@dataclass(frozen=True)
class Sizes:
    """What one demo does. `reward` and `policy` overrule the fields of the forms that start those runs."""

    name: str
    project: str
    base_model: str
    labels: int
    annotators: int
    comparisons: int
    instruction: str  # set before every prompt as a system message; blank: none
    sampling: dict[str, Any]
    reward: dict[str, Any]
    policy: dict[str, Any]
    least_accuracy: float  # of the reward model on holdout pairs
    questions: tuple[str, ...] = (
        "In one short sentence: what is a good way to start the day?",
        "Why is the sky blue?",
    )
    seed: int = 7


def full() -> Sizes:
    """A real model of 135M parameters: under half an hour on two cores."""
    return Sizes(
        name="full",
        project="Demo",
        base_model=get_settings().base_model,
        labels=480,
        annotators=4,
        comparisons=150,
        instruction="Answer in one short sentence.",  # else few answers of this model end within the limit
        sampling={"strategy": "stochastic", "temperature": 0.7, "top_p": 1.0, "top_k": 0, "max_new_tokens": 64},
        reward={
            "num_train_epochs": 1,
            "learning_rate": 5e-5,
            "train_batch_size": 8,
            "warmup_ratio": 0.1,
            "max_length": 384,
        },
        policy={
            "total_episodes": 192,
            "batch_size": 32,
            "num_mini_batches": 4,
            "num_ppo_epochs": 1,
            "max_new_tokens": 64,
            "temperature": 0.7,
            "learning_rate": 1e-3,
            "beta": 0.03,
            "kl_budget": 12,
            "eval_steps": 3,
            "eval_size": 24,
        },
        least_accuracy=0.65,
    )


def small() -> Sizes:
    """A model built on the spot, which speaks word salad: the same steps in under three minutes."""
    return Sizes(
        name="small",
        project="Demo (small)",
        base_model="tiny:7",
        labels=160,
        annotators=3,
        comparisons=240,
        instruction="",
        sampling={"strategy": "stochastic", "temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_new_tokens": 40},
        reward={"num_train_epochs": 6, "learning_rate": 2e-3, "train_batch_size": 16, "max_length": 256, "heads": 2},
        policy={
            "total_episodes": 256,
            "batch_size": 64,
            "num_mini_batches": 4,
            "max_new_tokens": 40,
            "learning_rate": 1e-2,
            "beta": 0.02,
            "kl_budget": 40,
        },
        least_accuracy=0.55,
    )


def chosen() -> Sizes:
    """The sizes that HONE_DEMO asks for; ValueError with a sentence for any other word."""
    wanted = os.environ.get("HONE_DEMO", "full")
    if wanted not in ("full", "small"):
        raise ValueError(f"HONE_DEMO is {wanted!r}; it takes full or small.")
    return small() if wanted == "small" else full()
