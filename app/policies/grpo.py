"""Training a policy by GRPO, as a method."""

from app.methods import register, schema
from app.policies.forms import RewardedOptions
from app.policies.rewarded import DEFAULTS, RewardedMethod


class GRPOTraining(RewardedMethod):
    """A policy from one before it, by GRPO against a reward model of the project."""

    name = "grpo"
    title = "GRPO"
    verb = "Train a policy with GRPO"
    help = "Like PPO, but pays each response by its score among those to the same prompt, without a value model."
    command = ("rlhf.train", "grpo")
    form = schema.form(RewardedOptions, schema.schema("grpo"), DEFAULTS)


GRPO = register(GRPOTraining())
