"""Which of several responses to one prompt is the best, by a reward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from rlhf.config import InputError
from rlhf.ppo import final_scores
from rlhf.scorer import Response, RewardMix
from rlhf.types import Messages


class Chooser:
    """Scores the responses to a prompt as trainings pay them: one that never ended less than any that did."""

    def __init__(self, rewards: RewardMix, missing_end_penalty: float) -> None:
        self.rewards, self.missing_end_penalty = rewards, missing_end_penalty

    @torch.no_grad()
    def __call__(self, messages: Messages, responses: Sequence[Response]) -> list[dict[str, Any]]:
        """Of each response its `score` and its `rewards`, the terms before their weights.

        Raises InputError where a function fails, or a response gets no number to be compared by.
        """
        found = self.rewards([messages] * len(responses), responses)
        for response, total in zip(responses, found.total.tolist(), strict=True):
            if not math.isfinite(total):
                raise InputError(f"the reward of the response {response.text[:60]!r} is not a finite number")
        ended = torch.tensor([response.ended for response in responses])
        paid = final_scores(found.total, ended, missing_end_penalty=self.missing_end_penalty)
        terms = {name: values.tolist() for name, values in found.terms.items()}
        return [
            {"score": round(score, 6), "rewards": {name: round(values[i], 6) for name, values in terms.items()}}
            for i, score in enumerate(paid.tolist())
        ]
