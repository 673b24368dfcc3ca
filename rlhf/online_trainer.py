"""The training of a policy on its own responses, update by update.

An update samples responses, pays them, and takes a few optimiser steps; it depends on settings, seed and number only.
What the loss of a step is, subclasses say.
This module knows models and prompts as objects, and no files.
"""

from __future__ import annotations

import hashlib
import json
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from rlhf import ppo
from rlhf.batches import Group, deal
from rlhf.experience import Experience, Paid, pay, rollout_metrics, sample_rows
from rlhf.online_settings import OnlineSettings
from rlhf.picking import response_seed
from rlhf.policy_holdout import Holdout
from rlhf.policy_model import PolicyModel, Role
from rlhf.processes import Processes
from rlhf.progress import RunLog
from rlhf.rollouts import RolloutMaker, Task
from rlhf.runtime import give_back_memory
from rlhf.schedules import linear_decay
from rlhf.training import Evaluation, Trainer

LARGE_GAP = 0.01  # nats a token between sampler and trainer; in bfloat16 rounding alone makes less than a tenth of it

Config = TypeVar("Config", bound=OnlineSettings)
Sums = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Minibatch:
    """What one optimiser step learns from: how many responses, and how many tokens they have."""

    responses: int
    tokens: int


class OnlineTrainer(Trainer[Experience], Generic[Config]):
    """Trains `model` in place; its unit of work is a batch of responses, gone through several times.

    `refresh()` brings the sampler to the model's present weights; `make(tasks)` makes rollouts with it. The seeds
    of `prompts` are still to be chosen. `others`: parameters that are not the policy's, with their rate.
    """

    counter = "update"
    data_name = "prompts"
    suspect = "the reward"
    roles: tuple[Role, ...] = ("policy",)  # of the model, that a step runs one after the other
    model: PolicyModel

    def __init__(
        self,
        config: Config,
        model: PolicyModel,
        make: RolloutMaker,
        refresh: Callable[[], None],
        prompts: Sequence[Task],
        holdout: Holdout,
        processes: Processes,
        *,
        others: tuple[list[nn.Parameter], float] | None = None,
    ) -> None:
        self.config, self.make, self.refresh = config, make, refresh
        self.prompts, self.holdout = prompts, holdout
        self.warned = False
        policy = [p for p in model.policy.parameters() if p.requires_grad]
        super().__init__(
            config,
            model,
            processes,
            total_steps=config.updates,
            eval_every=config.eval_steps,
            data=digest([prompts, holdout.choosing, holdout.reporting]),
            groups=[(policy, config.peak_learning_rate), *([others] if others else [])],
            # start_...: of the policy that the run began with, on the prompts that report; ended: responses that did
            state={"beta": config.beta, "kl": 0.0, "ended": 0, "start_scores": None, "start_watched": None},
        )

    # ---- what a method is ----------------------------------------------------------------------------------------

    @abstractmethod
    def experience(self, paid: Paid, beta: float) -> Experience:
        """What the tokens of paid responses were worth. Changes nothing."""

    @abstractmethod
    def losses(
        self, experience: Experience, rows: list[int], of: Minibatch, log_probs: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, Sums]:
        """These rows' share of a minibatch's loss and of its metrics, given what the model says of their tokens now.

        log_probs, values: of all tokens, row after row, (N,); None where that role was not asked for.
        """

    def more_metrics(self, experience: Experience) -> dict[str, float]:
        """What else there is to say about a batch."""
        return {}

    # ---- one update ----------------------------------------------------------------------------------------------

    def work(self, step: int) -> Experience:
        """Responses to the update's prompts, paid, with what they are worth. Changes nothing."""
        return self.experience(pay(self.make(self.tasks(step)), self.config), self.state["beta"])

    def rate_share(self, step: int) -> float:
        return linear_decay(step - 1, self.total_steps)

    def learn(self, step: int, unit: Experience) -> dict[str, float]:
        """The update's optimiser steps; returns its metrics."""
        update, experience, beta, rate = step, unit, self.state["beta"], self.set_rate(step)
        losses = self.optimise(update, experience)
        give_back_memory()  # the passes leave it in pieces, beside which rollouts would take theirs
        self.refresh()
        metrics = rollout_metrics(experience.paid, beta) | self.more_metrics(experience) | losses
        self.warn_of_gap(update, metrics)
        metrics |= {
            "beta": beta,
            "lr": rate,
            "tokens": float(experience.paid.mask.sum()),
            "episode": float(update * self.config.update_size),
            "val/skipped_steps": float(self.state["skipped"]),
        }
        self.state["kl"] = metrics["objective/kl"]
        self.state["ended"] += int(metrics["val/num_eos_tokens"])
        if self.config.adaptive_kl:
            self.state["beta"] = ppo.adapt_beta(
                beta,
                metrics["objective/kl"],
                target=self.config.kl_target,
                episodes=self.config.update_size,
                horizon=self.config.kl_horizon,
            )
        return metrics

    def warn_of_gap(self, update: int, metrics: dict[str, float]) -> None:
        """Says so, once, where responses are sampled from another policy than the one that is trained."""
        gap = metrics["policy/sampler_kl"] / metrics["val/answer_tokens"]
        if gap > LARGE_GAP and self.processes.main and not self.warned:
            self.warned = True
            print(
                f"update {update}: the sampler is {gap:.3f} nats a token from the policy that is trained, so the "
                "responses and their KL are not quite its own; sample with --dtype float32, or correct for it with "
                "--importance_correction",
                file=sys.stderr,
            )

    def tasks(self, update: int) -> list[Task]:
        """The prompts of an update, the next of a shuffled pass, each as often as it is answered, with seeds."""
        size, count = self.config.prompts_at_once, len(self.prompts)
        chosen: list[Task] = []
        for number in range((update - 1) * size, update * size):
            turn, place = divmod(number, count)
            if place == 0 or not chosen:
                order = torch.randperm(count, generator=generator(self.config.seed, turn, -1)).tolist()
            task = self.prompts[order[place]]
            for response in range(self.config.responses):
                chosen.append(Task(task.messages, task.prompt_ids, response_seed(self.config.seed, number, response)))
        return chosen

    def optimise(self, update: int, experience: Experience) -> dict[str, float]:
        """All optimiser steps of an update; ends early where the policy has moved too far from the rollouts'."""
        size = self.config.responses
        prompts = len(experience.paid.rollouts) // size
        found: list[dict[str, float]] = []
        for epoch in range(self.config.passes):
            order = torch.randperm(prompts, generator=generator(self.config.seed, update, epoch))
            for part in order.tensor_split(min(self.config.num_mini_batches, prompts)):
                rows = [[prompt * size + response for response in range(size)] for prompt in part.tolist()]
                found.append(self.optimiser_step(experience, rows))
                limit = self.config.max_approx_kl
                if limit is not None and found[-1]["policy/approxkl_avg"] > limit:
                    return average(found) | {"val/optimiser_steps": float(len(found))}
        return average(found) | {"val/optimiser_steps": float(len(found))}

    def optimiser_step(self, experience: Experience, prompts: list[list[int]]) -> dict[str, float]:
        """One minibatch of the rows of some prompts: its gradient, however it is cut into forward passes."""
        rows = [row for prompt in prompts for row in prompt]
        rollouts = [experience.paid.rollouts[row] for row in rows]
        of = Minibatch(len(rows), int(experience.paid.mask[rows].sum()))
        budget, padded = self.config.tokens_at_once(self.processes.device), not self.model.packs
        together = self.model.together([r.prompt_ids for r in rollouts], [r.response_ids for r in rollouts], budget)
        parts = [[rows[place] for place in part] for part in together]
        lengths = [len(self._group(experience, part)) for part in parts]
        shares = deal(lengths, budget, self.processes.rank, self.processes.count, padded=padded)
        sums: Sums = {}
        for role in self.roles:
            for number, (places, counting) in enumerate(shares):
                last = number == len(shares) - 1
                with self.processes.accumulate(self.wrapped, last=last):
                    found = self.accumulate(experience, [parts[place] for place in places], of, role, float(counting))
                for name, value in found.items():
                    sums[name] = sums.get(name, 0) + value
        norm = self.processes.clip(self.wrapped, self.max_grad_norm)
        means = self.processes.sum(torch.stack(list(sums.values()))).tolist()
        self.update([*means, float(norm)])
        self.step_optimizer.zero_grad()  # now, not before the next step: rollouts and evaluations need the memory
        return dict(zip(sums, means, strict=True)) | {"grad_norm": float(norm)}

    def _group(self, experience: Experience, rows: list[int]) -> Group:
        rollouts = [experience.paid.rollouts[row] for row in rows]
        return Group(rollouts[0].prompt_ids, [rollout.response_ids for rollout in rollouts])

    def accumulate(
        self, experience: Experience, parts: list[list[int]], of: Minibatch, role: Role, scale: float
    ) -> Sums:
        """Adds the gradients of these rows' share of the loss; returns their share of the metrics."""
        batch = self.model.branches([self._group(experience, part) for part in parts])
        log_probs, _, values = self.wrapped(batch, role)
        loss, sums = self.losses(experience, [row for part in parts for row in part], of, log_probs, values)
        torch.autograd.backward(loss * (scale * self.processes.count))  # wrapped models average over processes: undo it
        return {name: value.detach() * scale for name, value in sums.items()}

    def movement(self, log_probs: Tensor, old: Tensor, of: Minibatch) -> Sums:
        """How far the policy has moved from the one that wrote these tokens."""
        log_ratio = ppo.log_ratio(log_probs.detach(), old)
        return {
            "policy/approxkl_avg": log_ratio.square().sum() / 2 / of.tokens,
            "val/ratio": log_ratio.exp().sum() / of.tokens,
        }

    def tokens(self, tensor: Tensor, experience: Experience, rows: list[int]) -> Tensor:
        """What (batch, longest response) says of these rows' real tokens, row after row, (N,)."""
        return tensor[rows][experience.paid.mask[rows]].to(self.processes.device)

    # ---- holdout -------------------------------------------------------------------------------------------------

    def evaluates(self, step: int, metrics: Mapping[str, float]) -> bool:
        """At once, too, where the rollouts say that the KL budget is spent."""
        return super().evaluates(step, metrics) or metrics["objective/kl"] > self.config.kl_budget

    def evaluate(self, step: int) -> Evaluation:
        """Holdout metrics; the reward chooses the best policy inside the KL budget, and one outside ends the run."""
        found = self.holdout.look(self.state["beta"])
        if step == 0 or found["eval/kl"] <= self.config.kl_budget:
            return Evaluation(found, value=found["eval/reward"])
        return Evaluation(found, stop="kl_budget")

    def report(self) -> dict[str, Any]:
        """What the policy is worth beside the start, and its KL: on responses that had no part in choosing it."""
        scores, kl, watched = self.holdout.report()
        found = {"kl": kl, **self.holdout.compare(self.state["start_scores"], scores)}
        for name, value in watched.items():
            found |= {f"{name}_before": self.state["start_watched"][name], f"{name}_after": value}
        updates = self.state["update"]
        if updates and not self.state["ended"]:
            found["warning"] = (
                f"No response of the {updates} updates ended within {self.config.max_new_tokens} tokens, so that only "
                "beginnings were learned from. Raise max_new_tokens."
            )
        return found

    # ---- around the run ------------------------------------------------------------------------------------------

    def begin(self, log: RunLog) -> None:
        """Measures the start, which is the best policy until one is better."""
        if self.state["start_scores"] is None:
            self.state["start_scores"], self.state["start_watched"] = self.holdout.start()
            log.log(0, self.evaluate_and_compare(0))
            self.save(0)

    def samples(self, step: int, unit: Experience) -> list[dict[str, Any]]:
        shown = step % self.config.sample_steps == 0 or step == 1
        return sample_rows(unit.paid, self.config.samples_shown) if shown else []

    def weights_changed(self) -> None:
        self.refresh()


# ---- small things ------------------------------------------------------------------------------------------------


def average(found: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric over the optimiser steps of an update."""
    return {name: sum(row[name] for row in found) / len(found) for name in found[0]}


def generator(seed: int, number: int, part: int) -> torch.Generator:
    """A generator of its own for each pass over the prompts (part -1) and each epoch of an update."""
    return torch.Generator().manual_seed(response_seed(seed, number, part))


def digest(groups: Sequence[Sequence[Task]]) -> str:
    """A name for the prompts, so that a run goes on only with those it began with."""
    text = json.dumps([[task.prompt_ids for task in group] for group in groups])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
