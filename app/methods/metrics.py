"""What the curves of trainings mean: one table for all methods. Knows no run and no page."""

from dataclasses import dataclass
from typing import Literal

Goal = Literal["low", "high"]


@dataclass(frozen=True)
class Metric:
    """A curve in words. `unit` may be empty, of what has none. `goal`: which end is better, where one is; `folded`:
    bookkeeping, which few people read."""

    title: str
    unit: str
    help: str
    goal: Goal | None = None
    folded: bool = False


_BOOKKEEPING = {
    "epoch": Metric("Epoch", "epochs", "How often the training data have been gone through."),
    "episode": Metric("Episodes", "responses", "Responses sampled so far."),
    "tokens": Metric("Tokens", "tokens a step", "Tokens that the step learned from."),
    "lr": Metric("Learning rate", "", "Size of the optimiser's steps; it follows its schedule."),
    "beta": Metric("Beta", "", "Weight of the penalty for moving away from the reference."),
    "skipped_steps": Metric("Skipped steps", "steps", "Optimiser steps left out so far: a loss was not finite.", "low"),
    "val/skipped_steps": Metric(
        "Skipped steps", "steps", "Optimiser steps left out so far: a loss was not finite.", "low"
    ),
    "val/optimiser_steps": Metric("Optimiser steps", "steps an update", "Fewer than planned: the policy moved far."),
    "val/num_eos_tokens": Metric("Finished responses", "responses", "Of the update, those that came to an end."),
    "eval_tokens": Metric("Holdout tokens", "tokens", "How many tokens the holdout loss is taken over."),
    "eval_pairs": Metric("Holdout pairs", "pairs", "How many pairs the evaluation looked at."),
    "eval_ties": Metric("Holdout ties", "pairs", "Pairs that people called equal; they do not count for accuracy."),
    "eval_ece_if_perfect": Metric(
        "Calibration error by chance", "share", "What a perfect model would get on so few pairs; compare with it."
    ),
    "eval_length_correlation": Metric(
        "Correlation with length", "", "Near 0 the score does not follow the length of a response."
    ),
    "eval_accuracy_low": Metric("Holdout accuracy, lower bound", "share", "Lower end of its 95% interval."),
    "eval_accuracy_high": Metric("Holdout accuracy, upper bound", "share", "Upper end of its 95% interval."),
}

_WATCHED = {
    "grad_norm": Metric("Gradient norm", "", "Before clipping. Sudden peaks mean a rate too high or broken data."),
    "eval_ece": Metric(
        "Calibration error", "share", "How far stated probabilities are from what people chose.", "low"
    ),
    "eval_length_only_accuracy": Metric(
        "Accuracy by length alone", "share", "What choosing the longer response gets: a model should be well above."
    ),
    "objective/non_score_reward": Metric("KL penalty", "score", "What moving away costs: minus beta times KL."),
    "objective/rlhf_reward": Metric("Reward less penalty", "score", "What the training maximises.", "high"),
    "policy/approxkl_avg": Metric("Change an update", "nats", "About 0.003 to 0.03 is healthy."),
    "policy/sampler_logratio": Metric(
        "Sampler gap", "nats a token", "Near 0: what samples and what learns are one policy."
    ),
    "policy/sampler_kl": Metric(
        "KL to the sampler", "nats a response", "Below a hundredth of the response's tokens is fine.", "low"
    ),
    "val/ratio": Metric("Probability ratio", "", "New to old probability of the tokens; near 1."),
    "val/clipfrac_avg": Metric("Clipped values", "share", "Share of the value model's changes that were clipped."),
    "val/explained_variance": Metric(
        "Explained variance", "share", "How well the value model foresees the return; it should leave 0.", "high"
    ),
    "val/unfinished": Metric("Unfinished responses", "share", "Cut off at the longest response allowed.", "low"),
    "loss/policy_avg": Metric("Policy loss", "", "Its size says little; it should not drift far."),
    "loss/kl_avg": Metric("KL in the loss", "nats a token", "Of the policy to the reference, as part of the loss."),
    "eval/finished": Metric("Finished on holdout", "share", "Responses that came to an end.", "high"),
    "eval/repetition": Metric("Repetition on holdout", "share", "Of the words, those that repeat what stood before."),
    "eval/watched": Metric(
        "Reward nobody is paid", "score", "If it falls while the reward rises, mistakes of the reward are learned.",
        "high",
    ),
    "eval/kl_base": Metric("KL to the base model", "nats a response", "Distance over all rounds, not of this one."),
}  # fmt: skip

_MAIN = {
    "loss": Metric("Training loss", "nats", "On the data of the step.", "low"),
    "eval_loss": Metric("Holdout loss", "nats", "On data that it does not learn from.", "low"),
    "accuracy": Metric("Training accuracy", "share", "Pairs whose preferred response scores higher.", "high"),
    "eval_accuracy": Metric("Holdout accuracy", "share", "Holdout pairs that it judges as people did.", "high"),
    "margin": Metric("Training margin", "points", "Score of the preferred response less that of the other.", "high"),
    "eval_margin": Metric("Holdout margin", "points", "The same on holdout pairs.", "high"),
    "rewards/accuracies": Metric(
        "Training accuracy", "share", "Pairs whose preferred response has become more probable than the other.", "high"
    ),
    "rewards/margins": Metric(
        "Training margin", "nats x beta", "By how much more probable than the other, against the start.", "high"
    ),
    "rewards/chosen": Metric("Preferred responses", "nats x beta", "How much more probable they have become."),
    "rewards/rejected": Metric("Other responses", "nats x beta", "How much more probable they have become."),
    "objective/scores": Metric("Training reward", "score", "Mean score of the update's responses.", "high"),
    "eval/reward": Metric("Holdout reward", "score", "Mean score of responses to holdout prompts.", "high"),
    "objective/kl": Metric("Training KL", "nats a response", "How far the policy has moved from the reference."),
    "eval/kl": Metric("Holdout KL", "nats a response", "The same on holdout prompts."),
    "objective/entropy": Metric("Entropy", "nats a token", "Near 0 the policy always says the same."),
    "val/answer_tokens": Metric("Training length", "tokens", "Mean length of the update's responses."),
    "eval/answer_tokens": Metric("Holdout length", "tokens", "Mean length of responses to holdout prompts."),
    "policy/clipfrac_avg": Metric("Clipped changes", "share", "Below 0.2 is usual; much more: the rate is too high."),
    "loss/value_avg": Metric("Value loss", "score squared", "How far the value model is from the returns.", "low"),
}

METRICS = (
    _MAIN
    | _WATCHED
    | {name: Metric(each.title, each.unit, each.help, each.goal, folded=True) for name, each in _BOOKKEEPING.items()}
)


def metric(name: str) -> Metric:
    """What is known of a curve by its name; of one that no method here logs, its name."""
    if name in METRICS:
        return METRICS[name]
    for prefix, said in (
        ("eval/watched/", "Mean of this term of the reward that nobody is paid, on holdout prompts."),
        ("rewards/", "Mean of this term of the reward, before its weight."),
    ):
        if name.startswith(prefix):
            return Metric(f"Reward: {name.removeprefix(prefix)}", "score", said)
    return Metric(name, "", "")
