"""The training of a policy by PPO, update by update; what an update does depends on settings, seed and its number only.

An update draws answers, pays them, and takes `num_ppo_epochs` times `num_mini_batches` optimiser steps. This module
knows models and prompts as objects, and no files but its checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from rlhf import ppo
from rlhf.batches import deal
from rlhf.checkpoints import latest_checkpoint, load_checkpoint
from rlhf.config import Interrupted, RunFailed
from rlhf.experience import Experience, make_experience, rollout_metrics, sample_rows
from rlhf.picking import answer_seed
from rlhf.policy_holdout import Holdout
from rlhf.policy_model import PolicyModel, Role
from rlhf.policy_settings import PolicyConfig
from rlhf.processes import Processes
from rlhf.progress import RunLog
from rlhf.rollouts import RolloutMaker, Task
from rlhf.runtime import StopSignal, give_back_memory
from rlhf.training import BEST, Trainer

LARGE_GAP = 0.01  # nats a token between sampler and trainer; in bfloat16 rounding alone makes less than a tenth of it


class PPOTrainer(Trainer):
    """Trains ``model`` in place.

    ``refresh()`` brings the sampler to the model's present weights; ``make(tasks)`` makes rollouts with it. The seeds
    of ``prompts`` are still to be chosen.
    """

    counter = "update"
    data_name = "prompts"
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
        self.config, self.model, self.make, self.refresh = config, model, make, refresh
        self.prompts, self.holdout, self.processes = prompts, holdout, processes
        self.output, self.total_steps = Path(config.output), config.updates
        self.warned = False
        policy = [p for p in model.policy.parameters() if p.requires_grad]
        own = {id(p) for p in policy}
        value = [p for p in model.parameters() if p.requires_grad and id(p) not in own]
        rate = config.peak_learning_rate
        value_rate = rate if config.value_learning_rate is None else config.value_learning_rate
        self.optimizer = AdamW(
            [{"params": policy, "peak": rate}, {"params": value, "peak": value_rate}],
            lr=rate,
            betas=(config.adam_beta1, config.adam_beta2),
            eps=config.adam_epsilon,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.wrapped, self.step_optimizer = processes.wrap(model, self.optimizer)
        # In turn, the activations of one model are kept at a time; a model that is wrapped must go whole.
        in_turn = self.wrapped is model and model.value_trunk is not None
        self.passes: tuple[Role, ...] = ("policy", "value") if in_turn else ("both",)
        self.state: dict[str, Any] = {
            "settings": config.fixed(),
            "data": digest([prompts, holdout.choosing, holdout.reporting]),
            "update": 0,
            "beta": config.beta,
            "skipped": 0,
            "kl": 0.0,
            "start_scores": None,  # of the policy that the run began with, on the prompts that report
            "best_step": None,
            "best_reward": None,
            "stop_reason": None,
        }

    # ---- one update ----------------------------------------------------------------------------------------------

    def step(self, update: int) -> dict[str, float]:
        """Update number ``update``, from 1: rollouts, rewards, advantages, optimiser steps. Returns its metrics."""
        return self.learn(update, self.collect(update))

    def collect(self, update: int) -> Experience:
        """Answers to the update's prompts, paid, with their advantages. Changes nothing."""
        return make_experience(self.make(self.tasks(update)), self.config, self.state["beta"])

    def learn(self, update: int, experience: Experience) -> dict[str, float]:
        """The update's optimiser steps; returns its metrics."""
        beta = self.state["beta"]
        rate = ppo.linear_decay(update - 1, self.config.updates)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * rate
        losses = self.optimise(update, experience)
        give_back_memory()  # the passes leave it in pieces, beside which rollouts would take theirs
        self.refresh()
        metrics = rollout_metrics(experience, beta) | losses
        self.warn_of_gap(update, metrics)
        metrics |= {
            "beta": beta,
            "lr": self.config.peak_learning_rate * rate,
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
        norm = self.processes.clip(self.wrapped, self.config.max_grad_norm)
        means = (self.processes.sum(torch.stack(list(sums.values()))) / tokens).tolist()
        self.update_unless_bad([*means, float(norm)])
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

    def update_unless_bad(self, numbers: list[float]) -> None:
        """An optimiser step, or none where a loss or the gradient is not finite; too many of those end the run."""
        if all(map(math.isfinite, numbers)):
            self.step_optimizer.step()
            return
        self.state["skipped"] += 1
        if self.state["skipped"] > self.config.max_skipped_steps:
            kept = latest_checkpoint(self.output)
            raise RunFailed(
                f"loss or gradient was not finite in {self.state['skipped']} steps; the last good checkpoint is "
                f"{kept or 'none, for the run had just begun'}; lower --learning_rate or look at the reward model"
            )

    # ---- holdout -------------------------------------------------------------------------------------------------

    def evaluate_and_compare(self, update: int) -> dict[str, float]:
        """Holdout metrics; keeps the policy where it is the best so far inside the KL budget."""
        found = self.holdout.look(self.state["beta"])
        reward, kl = found["eval/reward"], found["eval/kl"]
        inside = update == 0 or kl <= self.config.kl_budget
        if inside and (self.state["best_reward"] is None or reward > self.state["best_reward"]):
            self.state |= {"best_step": update, "best_reward": reward}
            self.save_best(update, keep=2)
        if not inside:
            self.state["stop_reason"] = "kl_budget"
        return found

    def take_best(self) -> None:
        """Brings the policy back to the best evaluation inside the KL budget."""
        best = self.output / BEST / f"checkpoint-{self.state['best_step']}"
        load_checkpoint(best, modules={"model": self.model}, optimizers={}, generators={})
        self.refresh()

    def report(self) -> dict[str, Any]:
        """What the policy is worth beside the start, and its KL: on answers that had no part in choosing it."""
        scores, kl = self.holdout.report()
        return {"kl": kl, **self.holdout.compare(self.state["start_scores"], scores)}

    # ---- the run -------------------------------------------------------------------------------------------------

    def run(self, log: RunLog, start: int, stop: StopSignal) -> None:
        """All updates after ``start``. Raises Interrupted after a signal, with a checkpoint written."""
        config = self.config
        self.refresh()
        if start == 0 and self.state["start_scores"] is None:
            self.state["start_scores"], _ = self.holdout.report()
            log.log(0, self.evaluate_and_compare(0))
            self.save(0)
        saved_at = time.monotonic()
        for update in range(start + 1, config.updates + 1):
            if self.state["stop_reason"]:
                break
            experience = self.collect(update)
            if self.processes.any(stop.requested)[0]:  # before anything has changed: no need to finish the update
                self.save(update - 1)
                raise Interrupted(f"stopped after update {update - 1} of {config.updates}; start again with --resume")
            metrics = self.learn(update, experience)
            over = metrics["objective/kl"] > config.kl_budget
            evaluated = update % config.eval_steps == 0 or update == config.updates or over
            if evaluated:
                metrics |= self.evaluate_and_compare(update)
            log.log(update, metrics)
            if update % config.sample_steps == 0 or update == 1:
                log.samples(update, sample_rows(experience, config.samples_shown))
            self.state["update"] = update
            stopping, due = self.processes.any(stop.requested, time.monotonic() - saved_at >= config.save_seconds)
            if stopping or due or evaluated:
                self.save(update)
                saved_at = time.monotonic()
            if stopping and update < config.updates:
                raise Interrupted(f"stopped after update {update} of {config.updates}; start again with --resume")
        self.optimizer.state.clear()  # nothing more is learned, and the best policy comes from disk
        give_back_memory()
        self.take_best()


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
