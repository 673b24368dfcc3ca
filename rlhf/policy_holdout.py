"""The holdout of a policy's training: prompts that choose the best policy, and prompts that say how good it is.

The best of several looks is better than it would be on another day, so what chose is not what is reported: the start
and the best policy answer once more, with seeds that had no part in the choice, and prompts too where there are enough.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from rlhf import ppo
from rlhf.config import InputError
from rlhf.experience import pay, rollout_metrics
from rlhf.intervals import mean_interval
from rlhf.online_settings import OnlineSettings
from rlhf.picking import response_seed
from rlhf.rollouts import RolloutMaker, Task
from rlhf.watch import Watch

LEAST_PROMPTS = 8  # in each part; with fewer one part does both, with seeds of its own for each
CHOOSING, REPORTING = 1, 2

Scores = list[tuple[float, bool]]  # of each response: the reward model's score, and whether the response ended


class Holdout:
    """Responses to the holdout prompts by whatever policy `make` makes rollouts of at the time."""

    def __init__(
        self,
        config: OnlineSettings,
        make: RolloutMaker,
        choosing: Sequence[Task],
        reporting: Sequence[Task],
        watch: Watch | None = None,
    ) -> None:
        self.config, self.make, self.watch = config, make, watch or Watch(make)
        self.choosing, self.reporting = choosing[: config.eval_size], reporting[: config.eval_size]

    def look(self, beta: float) -> dict[str, float]:
        """Reward and KL on the prompts that choose, with the same seeds each time."""
        rollouts = self.make(self.tasks(CHOOSING))
        found = rollout_metrics(pay(rollouts, self.config), beta)
        return {
            "eval/reward": found["objective/scores"],
            "eval/kl": found["objective/kl"],
            "eval/finished": found["val/num_eos_tokens"] / len(self.choosing),
            **{f"eval/{name}": value for name, value in self.watch(rollouts).items()},
        }

    def report(self) -> tuple[Scores, float, dict[str, float]]:
        """Of the prompts that report: scores, the KL to the reference, nats a response, and what is watched besides.

        The seeds are the same each time.
        """
        rollouts = self.make(self.tasks(REPORTING))
        kl = statistics.fmean(float((rollout.log_probs - rollout.reference).sum()) for rollout in rollouts)
        return [(rollout.score, rollout.ended) for rollout in rollouts], kl, self.watch(rollouts)

    def start(self) -> tuple[Scores, dict[str, float]]:
        """Scores of the policy that a run begins with, and what is watched besides.

        Raises InputError where some are no numbers: no policy could be said to be better.
        """
        scores, _, watched = self.report()
        odd = sum(not math.isfinite(score) for score, _ in scores)
        if odd:
            raise InputError(f"the reward of {odd} of the {len(scores)} holdout responses is not a finite number")
        return scores, watched

    def tasks(self, part: int) -> list[Task]:
        """The prompts of a part, CHOOSING or REPORTING, each with its seed."""
        tasks = self.choosing if part == CHOOSING else self.reporting
        return [replace(task, seed=response_seed(self.config.seed + 1, i, part)) for i, task in enumerate(tasks)]

    def compare(self, before: Scores, after: Scores) -> dict[str, Any]:
        """The start's and the best policy's mean reward, and the difference with a 95% interval, paired by prompt.

        All responses are paid as one batch, so that one that never ended gets less than any that did, of either policy.
        """
        scores, finished = (torch.tensor(column) for column in zip(*before, *after, strict=True))
        paid = ppo.final_scores(
            scores, finished, clip=self.config.score_clip, missing_end_penalty=self.config.missing_end_penalty
        ).tolist()
        first, second = paid[: len(before)], paid[len(before) :]
        low, high = mean_interval([b - a for a, b in zip(first, second, strict=True)], range(len(before)))
        return {
            "reward_before": statistics.fmean(first),
            "reward_after": statistics.fmean(second),
            "reward_gain": statistics.fmean(second) - statistics.fmean(first),
            "reward_gain_low": low,
            "reward_gain_high": high,
            "reward_prompts": len(before),
            "reward_prompts_chose": self.choosing == self.reporting,
        }
