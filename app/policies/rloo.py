"""Training a policy by RLOO, as a method."""

from app.methods import register, schema
from app.policies.forms import RewardedOptions
from app.policies.rewarded import DEFAULTS, RewardedMethod


class RLOOTraining(RewardedMethod):
    """A policy from one before it, by RLOO against a reward model of the project."""

    name = "rloo"
    title = "RLOO"
    verb = "Train a policy with RLOO"
    help = "Like PPO, but compares several responses to each prompt with each other: no value model, less memory."
    command = ("rlhf.train", "rloo")
    form = schema.form(RewardedOptions, schema.schema("rloo"), DEFAULTS)


RLOO = register(RLOOTraining())
