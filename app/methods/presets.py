"""Sets of settings to begin from, so that nobody has to know them all: less time, the usual, more care."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.models import Setting


@dataclass(frozen=True)
class Preset:
    """What it changes of the defaults, and what for, in a sentence."""

    name: str
    title: str
    help: str
    settings: Mapping[str, Setting] = field(default_factory=dict)


BALANCED = Preset("balanced", "Balanced", "The defaults, which suit most projects.")
BY_EPOCHS = (
    Preset("quick", "Quick", "One pass over the data: to see whether it learns at all.", {"num_train_epochs": 1.0}),
    BALANCED,
    Preset(
        "thorough",
        "Thorough",
        "Twice as many passes; the best weights by the holdout are kept, so more cannot harm, only take time.",
        {"num_train_epochs": 4.0},
    ),
)
BY_EPISODES = (
    Preset(
        "quick",
        "Quick",
        "A few small updates: to see whether the reward rises at all.",
        {"total_episodes": 64, "batch_size": 16, "eval_size": 16},
    ),
    BALANCED,
    Preset(
        "thorough",
        "Thorough",
        "Four times as many responses, measured on more holdout prompts; the KL budget still ends it in time.",
        {"total_episodes": 1024, "eval_size": 64},
    ),
)
