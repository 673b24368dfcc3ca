"""One training on a policy's own responses: from a policy, a reward and prompts to a better policy in a folder.

What PPO, RLOO and GRPO share of preparing it and of finishing it; each has its settings and its trainer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlhf.config import InputError, to_dict
from rlhf.online_settings import OnlineSettings
from rlhf.runtime import keep_few_kernels, keep_memory
from rlhf.training_run import Prepared
from rlhf.types import Prompt

if TYPE_CHECKING:
    from rlhf.online_trainer import OnlineTrainer
    from rlhf.policy_files import ValueModel
    from rlhf.processes import Processes
    from rlhf.prompts import Reader


def prepare_online(
    method: str,
    config: OnlineSettings,
    processes: Processes,
    trainer_of: Callable[..., OnlineTrainer[Any]],
    *,
    value_model: ValueModel = "none",
) -> Prepared:
    """Trainer, and what finishes its work; `method` is its name for people.

    `trainer_of`: takes settings, model, maker of rollouts, refreshing of the sampler, prompts, holdout, processes.
    """
    from rlhf.chat_format import load_tokenizer
    from rlhf.model_config import position_limit
    from rlhf.policy_files import load_policy_model
    from rlhf.policy_holdout import Holdout
    from rlhf.prompts import prompt_room
    from rlhf.rollouts import RolloutMaker, Sampler
    from rlhf.runtime import pick_dtype, seed_everything
    from rlhf.scorer import load_rewards
    from rlhf.types import SamplingSettings
    from rlhf.watch import Watch, load_base

    keep_few_kernels()
    keep_memory()
    seed_everything(config.seed)
    tokenizer = load_tokenizer(config.model)
    longest = prompt_room(position_limit(config.model), config.max_new_tokens, config.max_prompt_tokens)
    assert longest is not None  # noqa: S101 - `max_prompt_tokens` is set
    dtype = pick_dtype(config.dtype, processes.device)
    budget = 2 * config.tokens_at_once(processes.device)  # nothing is kept for a way back
    load = partial(
        load_rewards,
        tokenizer=tokenizer,
        longest=config.max_new_tokens,
        dtype=dtype,
        normalize=config.normalize_scores,
        variance_penalty=config.variance_penalty,
        timeout=config.reward_timeout,
        token_budget=budget,
    )
    rewards = load(config.reward)
    readers = [(tokenizer, longest), *((scorer.tokenizer, None) for scorer in rewards.models)]
    prompts, choosing, reporting = _load_tasks(config, readers, say=processes.main)
    only = rewards.only_model
    model = load_policy_model(
        config,
        tokenizer,
        only.reward if only is not None and only.same_tokens else None,
        compute_dtype=dtype,
        value_model=value_model,
        sharded=processes.sharded,
    ).to(processes.device)
    if config.responses > 1:
        model.find_sharing()
    settings = SamplingSettings(temperature=config.temperature, max_new_tokens=config.max_new_tokens)
    sampler = Sampler.of(model, config.model, tokenizer, settings, sharded=processes.sharded)
    make = RolloutMaker(model, sampler, rewards.to(processes.device), processes, token_budget=budget)
    if processes.main:
        print(_describe(model, rewards), file=sys.stderr)
    watch = Watch(
        make,
        load(config.watch_reward).to(processes.device) if config.watch_reward else None,
        load_base(config.base, model) if config.base else None,
    )
    holdout = Holdout(config, make, choosing, reporting, watch)
    trainer = trainer_of(config, model, make, sampler.refresh, prompts, holdout, processes)
    return trainer, partial(_finish, method, config, trainer, tokenizer)


def _describe(model: Any, rewards: Any) -> str:
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    others = sum(not scorer.same_tokens for scorer in rewards.models)
    words = "text, encoded again for the reward model's own tokenizer" if others else "the same ids"
    return f"training {trained:,} parameters" + (f"; the reward model reads {words}" if rewards.models else "")


def _load_tasks(config: OnlineSettings, readers: Sequence[Reader], say: bool) -> list[list[Any]]:
    """Prompts to train on, those that choose the best policy, those that report on it; says what was cut.

    readers: the policy's first, which cuts what is too long for it.
    """
    from rlhf.chat_format import fit_prompt
    from rlhf.rollouts import Task

    tokenizer, longest = readers[0]
    assert longest is not None  # noqa: S101 - the policy's
    parts, lines = _load_prompts(config, readers)
    groups, cut = [], 0
    for part in parts:
        tasks = []
        for prompt in part:
            ids, lost = fit_prompt(tokenizer, prompt.messages, longest)
            cut += lost > 0
            tasks.append(Task(prompt.messages, ids, seed=0))
        groups.append(tasks)
    if say:
        lines.append(f"{cut} prompts cut to {longest} tokens")
        print("\n".join(lines), file=sys.stderr)
    return groups


def _load_prompts(config: OnlineSettings, readers: Sequence[Reader]) -> tuple[list[list[Prompt]], list[str]]:
    """The same as prompts that all readers take, and what there is to say about them."""
    from rlhf.data import choosing_half, load_prompts, prompt_key, split_by_prompt
    from rlhf.policy_holdout import LEAST_PROMPTS
    from rlhf.prompts import fit_prompts

    def load(path: str) -> list[Prompt]:
        found, report = load_prompts(path, max_bad_share=config.max_bad_share)
        fitted, refused = fit_prompts(found, readers, max_bad_share=config.max_bad_share, source=path)
        lines.extend(filter(None, (str(report), refused)))
        return [each.prompt for each in fitted]

    def by_key(found: list[Prompt]) -> dict[str, Prompt]:
        """Each prompt once, in an order that depends on their text and the seed alone."""
        return dict(sorted({prompt_key(prompt.messages, config.seed): prompt for prompt in found}.items()))

    lines: list[str] = []
    prompts = load(config.prompts)
    if config.eval_prompts:
        found = load(config.eval_prompts)
    else:
        prompts, found = split_by_prompt(prompts, config.holdout, config.seed, least=2)
    held_out = by_key(found)
    if config.choose_prompts:
        choosing = by_key(load(config.choose_prompts))
    else:
        choosing = {key: held_out[key] for key in sorted(choosing_half(held_out))}
    reporting = {key: prompt for key, prompt in held_out.items() if key not in choosing}
    how = f"{len(choosing)} choose the policy, {len(reporting)} report on it"
    if min(len(reporting), len(choosing)) < LEAST_PROMPTS:
        reporting = choosing = dict(sorted((reporting | choosing).items()))
        how = f"too few for two parts, so that all {len(choosing)} choose the policy and report on it, with other seeds"
    if not prompts or len(choosing) < 2:
        raise InputError("there must be a prompt to train on and two to hold out at least: give more prompts")
    lines.append(f"{len(prompts)} prompts to train on; held out: {how}")
    return [prompts, list(choosing.values()), list(reporting.values())], lines


def _finish(
    method: str, config: OnlineSettings, trainer: OnlineTrainer[Any], tokenizer: Any, seconds: float
) -> dict[str, Any]:
    """Saves the best policy and returns the summary."""
    from rlhf.policy_files import policy_card, save_policy

    output, state = Path(config.output), trainer.state
    episodes = state["update"] * config.update_size
    summary: dict[str, Any] = {
        "updates": state["update"],
        "episodes": episodes,
        **trainer.report(),
        "kl_budget": config.kl_budget,
        "best_step": state["best_step"],
        "stop_reason": state["stop_reason"] or "completed",
        "skipped_steps": state["skipped"],
        "seconds": round(seconds, 3),
        "episodes_per_second": round(episodes / max(seconds, 1e-9), 3),
        "model": str(output / "model"),
    }
    for rewards in (trainer.make.rewards, trainer.holdout.watch.rewards):
        if rewards is not None:
            rewards.close()
    readme = policy_card(method, to_dict(config), summary)
    save_policy(output, trainer.model, tokenizer, config, readme, write=trainer.processes.main)
    trainer.processes.wait()
    return summary
