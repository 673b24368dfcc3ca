"""What shows over-optimisation: rewards that nobody is paid, repetition, and the distance to where it all began.

A policy learns what its reward model takes for good, at last its mistakes. A second reward that did not train it goes
up with the first for a while, and down when the rest is mistakes (Gao et al. 2023).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rlhf.policy_model import PolicyModel
from rlhf.rollouts import Rollout, RolloutMaker
from rlhf.scorer import RewardMix, repetition


class Watch:
    """Metrics of holdout responses that decide nothing. rewards: not paid. base: the policy of another model alone."""

    def __init__(self, make: RolloutMaker, rewards: RewardMix | None = None, base: PolicyModel | None = None) -> None:
        self.make, self.rewards, self.base = make, rewards, base

    def __call__(self, rollouts: Sequence[Rollout]) -> dict[str, float]:
        """Means over responses: `response_tokens`, `repetition`, `watched` with its terms, `kl_base` in nats."""
        found = {
            "answer_tokens": statistics.fmean(len(rollout.response_ids) for rollout in rollouts),
            "repetition": statistics.fmean(repetition(rollout.text) for rollout in rollouts),
        }
        if self.rewards is not None:
            scores = self.make.scores(self.rewards, [rollout.messages for rollout in rollouts], rollouts)
            found["watched"] = statistics.fmean(total for total, _ in scores)
            if len(scores[0][1]) > 1:
                for name in scores[0][1]:
                    found[f"watched/{name}"] = statistics.fmean(terms[name] for _, terms in scores)
        if self.base is not None:
            kl = zip(rollouts, self.make.log_probs(self.base, rollouts), strict=True)
            found["kl_base"] = statistics.fmean(float((own.log_probs - base).sum()) for own, base in kl)
        return found


def load_base(path: str, like: PolicyModel) -> PolicyModel:
    """The model of a folder as a policy alone, read as `like` is: its temperature, vocabulary and number format."""
    from rlhf.policy_files import load_causal

    model = PolicyModel(
        load_causal(path, like.compute_dtype).requires_grad_(False).eval(),
        reference=None,
        value_trunk=None,
        vocabulary=like.vocabulary,
        temperature=like.temperature,
        head_chunk=like.head_chunk,
        compute_dtype=like.compute_dtype,
        values=False,
    )
    return model.to(like.causal.device)
