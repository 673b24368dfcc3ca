"""The training of a policy by PPO, update by update; what an update does depends on settings, seed and its number only.

An update draws answers, pays them, and takes `num_ppo_epochs` times `num_mini_batches` optimiser steps. This module
knows models and prompts as objects, and no files.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rlhf import ppo
from rlhf.batches import deal
from rlhf.experience import Experience, make_experience, rollout_metrics, sample_rows
from rlhf.picking import answer_seed
from rlhf.policy_holdout import Holdout
from rlhf.policy_model import PolicyModel, Role
from rlhf.policy_settings import PolicyConfig
from rlhf.processes import Processes
from rlhf.progress import RunLog
from rlhf.rollouts import RolloutMaker, Task
from rlhf.runtime import give_back_memory
from rlhf.schedules import linear_decay
from rlhf.training import Evaluation, Trainer

LARGE_GAP = 0.01  # nats a token between sampler and trainer; in bfloat16 rounding alone makes less than a tenth of it


class PPOTrainer(Trainer[Experience]):
    """Trains ``model`` in place; its unit of work is a batch of answers, gone through several times.

    ``refresh()`` brings the sampler to the model's present weights; ``make(tasks)`` makes rollouts with it. The seeds
    of ``prompts`` are still to be chosen.
    """

    counter = "update"
    data_name = "prompts"
    suspect = "the reward model"
    model: PolicyModel

    def __init__(
        self,
        config: PolicyConfig,
        model: PolicyModel,
        make: RolloutMaker,
        refresh: Callable[[], None],
        prompts: Sequence[Task],
        holdout: Holdout,
        processes: Processes,
    ) -> None:
        self.config, self.make, self.refresh = config, make, refresh
        self.prompts, self.holdout = prompts, holdout
        self.warned = False
        policy = [p for p in model.policy.parameters() if p.requires_grad]
        own = {id(p) for p in policy}
        value = [p for p in model.parameters() if p.requires_grad and id(p) not in own]
        rate = config.peak_learning_rate
        value_rate = rate if config.value_learning_rate is None else config.value_learning_rate
        super().__init__(
            config,
            model,
            processes,
            total_steps=config.updates,
            eval_every=config.eval_steps,
            data=digest([prompts, holdout.choosing, holdout.reporting]),
            groups=[(policy, rate), (value, value_rate)],
            # start_scores: of the policy that the run began with, on the prompts that report
            state={"beta": config.beta, "kl": 0.0, "start_scores": None},
        )
        # In turn, the activations of one model are kept at a time; a model that is wrapped must go whole.
        in_turn = self.wrapped is model and model.value_trunk is not None
        self.passes: tuple[Role, ...] = ("policy", "value") if in_turn else ("both",)

    # ---- one update ----------------------------------------------------------------------------------------------

    def work(self, step: int) -> Experience:
        """Answers to the update's prompts, paid, with their advantages. Changes nothing."""
        return make_experience(self.make(self.tasks(step)), self.config, self.state["beta"])

    def rate_share(self, step: int) -> float:
        return linear_decay(step - 1, self.total_steps)

    def learn(self, step: int, unit: Experience) -> dict[str, float]:
        """The update's optimiser steps; returns its metrics."""
        update, experience, beta, rate = step, unit, self.state["beta"], self.set_rate(step)
        losses = self.optimise(update, experience)
        give_back_memory()  # the passes leave it in pieces, beside which rollouts would take theirs
        self.refresh()
        metrics = rollout_metrics(experience, beta) | losses
        self.warn_of_gap(update, metrics)
        metrics |= {
            "beta": beta,
            "lr": rate,
            "episode": float(update * self.config.batch_size),
            "val/skipped_steps": float(self.state["skipped"]),
        }
        self.state["kl"] = metrics["objective/kl"]
        if self.config.adaptive_kl:
            self.state["beta"] = ppo.adapt_beta(
                beta,
                metrics["objective/kl"],
                target=self.config.kl_target,
                episodes=self.config.batch_size,
                horizon=self.config.kl_horizon,
            )
        return metrics

    def warn_of_gap(self, update: int, metrics: dict[str, float]) -> None:
        """Says so, once, where answers are drawn from another policy than the one that is trained."""
        gap = metrics["policy/sampler_kl"] / metrics["val/answer_tokens"]
        if gap > LARGE_GAP and self.processes.main and not self.warned:
            self.warned = True
            print(
                f"update {update}: the sampler is {gap:.3f} nats a token from the policy that is trained, so the "
                "answers and their KL are not quite its own; sample with --dtype float32, or correct for it with "
                "--importance_correction",
                file=sys.stderr,
            )

    def tasks(self, update: int) -> list[Task]:
        """The prompts of an update: the next of a shuffled pass; each with a seed of its own."""
        size, count = self.config.batch_size, len(self.prompts)
        chosen: list[Task] = []
        for episode in range((update - 1) * size, update * size):
            turn, place = divmod(episode, count)
            if place == 0 or not chosen:
                order = torch.randperm(count, generator=generator(self.config.seed, turn, -1)).tolist()
            task = self.prompts[order[place]]
            chosen.append(Task(task.messages, task.prompt_ids, answer_seed(self.config.seed, episode, 0)))
        return chosen

    def optimise(self, update: int, experience: Experience) -> dict[str, float]:
        """All optimiser steps of an update; ends early where the policy has moved too far from the rollouts'."""
        rows = len(experience.rollouts)
        found: list[dict[str, float]] = []
        for epoch in range(self.config.num_ppo_epochs):
            order = torch.randperm(rows, generator=generator(self.config.seed, update, epoch))
            for part in order.tensor_split(self.config.num_mini_batches):
                found.append(self.optimiser_step(experience, part.tolist()))
                limit = self.config.max_approx_kl
                if limit is not None and found[-1]["policy/approxkl_avg"] > limit:
                    return average(found) | {"val/optimiser_steps": float(len(found))}
        return average(found) | {"val/optimiser_steps": float(len(found))}

    def optimiser_step(self, experience: Experience, rows: list[int]) -> dict[str, float]:
        """One minibatch: gradients of the mean over its real tokens, however it is cut into forward passes."""
        tokens = int(experience.mask[rows].sum())
        lengths = [len(experience.rollouts[i]) for i in rows]
        rank, count = self.processes.rank, self.processes.count
        shares = deal(
            lengths, self.config.tokens_at_once(self.processes.device), rank, count, padded=not self.model.packs
        )
        sums: dict[str, Tensor] = {}
        for role in self.passes:
            for number, (places, counting) in enumerate(shares):
                with self.processes.accumulate(self.wrapped, last=number == len(shares) - 1):
                    scale = float(counting)
                    found = self.accumulate(experience, [rows[place] for place in places], role, scale / tokens)
                for name, value in found.items():
                    sums[name] = sums.get(name, 0) + scale * value
        norm = self.processes.clip(self.wrapped, self.max_grad_norm)
        means = (self.processes.sum(torch.stack(list(sums.values()))) / tokens).tolist()
        self.update([*means, float(norm)])
        self.step_optimizer.zero_grad()  # now, not before the next step: rollouts and evaluations need the memory
        return dict(zip(sums, means, strict=True)) | {"grad_norm": float(norm)}

    def accumulate(self, experience: Experience, rows: list[int], role: Role, scale: float) -> dict[str, Tensor]:
        """Adds the gradients of the losses, summed over the rows' tokens and scaled; returns the sums of metrics."""
        config = self.config
        part = [experience.rollouts[i] for i in rows]
        real = experience.mask[rows]
        old, old_values, advantages, returns, importance = (
            tensor[rows][real].to(self.processes.device)
            for tensor in (
                experience.log_probs,
                experience.values,
                experience.advantages,
                experience.returns,
                experience.importance,
            )
        )
        batch = self.model.batch([r.prompt_ids for r in part], [r.answer_ids for r in part])
        log_probs, _, values = self.wrapped(batch, role)
        loss, sums = torch.zeros((), device=self.processes.device), {}
        if log_probs is not None:
            losses = importance * ppo.policy_loss(log_probs, old, advantages, clip=config.cliprange)
            sums["loss/policy_avg"] = losses.sum()
            loss = loss + sums["loss/policy_avg"]
            log_probs = log_probs.detach()
            log_ratio = ppo.log_ratio(log_probs, old)
            sums["policy/approxkl_avg"] = log_ratio.square().sum() / 2
            sums["policy/clipfrac_avg"] = ppo.ratio_clipped(log_probs, old, advantages, clip=config.cliprange).sum()
            sums["val/ratio"] = log_ratio.exp().sum()
        if values is not None:
            clip = config.cliprange_value
            sums["loss/value_avg"] = ppo.value_loss(values, old_values, returns, clip=clip).sum()
            loss = loss + config.vf_coef * sums["loss/value_avg"]
            sums["val/clipfrac_avg"] = ppo.value_clipped(values.detach(), old_values, returns, clip=clip).sum()
        torch.autograd.backward(loss * (scale * self.processes.count))  # wrapped models average over processes: undo it
        return {name: value.detach() for name, value in sums.items()}

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
        """What the policy is worth beside the start, and its KL: on answers that had no part in choosing it."""
        scores, kl = self.holdout.report()
        return {"kl": kl, **self.holdout.compare(self.state["start_scores"], scores)}

    # ---- around the run ------------------------------------------------------------------------------------------

    def begin(self, log: RunLog) -> None:
        """Measures the start, which is the best policy until one is better."""
        if self.state["start_scores"] is None:
            self.state["start_scores"], _ = self.holdout.report()
            log.log(0, self.evaluate_and_compare(0))
            self.save(0)

    def samples(self, step: int, unit: Experience) -> list[dict[str, Any]]:
        shown = step % self.config.sample_steps == 0 or step == 1
        return sample_rows(unit, self.config.samples_shown) if shown else []

    def weights_changed(self) -> None:
        self.refresh()


# ---- small things ------------------------------------------------------------------------------------------------


def average(found: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric over the optimiser steps of an update."""
    return {name: sum(row[name] for row in found) / len(found) for name in found[0]}


def generator(seed: int, number: int, part: int) -> torch.Generator:
    """A generator of its own for each pass over the prompts (part -1) and each epoch of an update."""
    return torch.Generator().manual_seed(answer_seed(seed, number, part))


def digest(groups: Sequence[Sequence[Task]]) -> str:
    """A name for the prompts, so that a run goes on only with those it began with."""
    text = json.dumps([[task.prompt_ids for task in group] for group in groups])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
