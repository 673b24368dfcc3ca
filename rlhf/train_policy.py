"""`python -m rlhf.train_policy`: from a policy, a reward model and prompts to a better policy in a folder."""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rlhf.config import InputError, parse_config, run_cli, to_dict
from rlhf.policy_settings import PolicyConfig
from rlhf.runtime import keep_few_kernels, keep_memory, set_threads
from rlhf.types import Prompt


def main(argv: list[str]) -> None:
    """The command line; see `rlhf.config.run_cli` for how outcomes become exit codes."""
    train_policy(parse_config(PolicyConfig, argv, prog="python -m rlhf.train_policy"))


def train_policy(config: PolicyConfig) -> dict[str, Any]:
    """Trains and returns the summary, which is also the last line on stdout and `summary.json` in the output folder.

    Raises InputError for settings or data that cannot be used, RunFailed where training goes wrong, Interrupted
    after a signal (with a checkpoint).
    """
    set_threads()
    keep_few_kernels()
    keep_memory()
    from rlhf.training import train

    return train(config, lambda processes: prepare(config, processes))


def prepare(config: PolicyConfig, processes: Any) -> tuple[Any, Any]:
    """Trainer, and what finishes its work; everything that can be wrong with what was given is found here."""
    from rlhf.chat_format import load_tokenizer
    from rlhf.policy_files import load_policy_model
    from rlhf.policy_holdout import Holdout
    from rlhf.ppo_trainer import PPOTrainer
    from rlhf.reward_model import load_reward_model
    from rlhf.rollouts import RolloutMaker, Sampler, Scorer, same_tokenizer
    from rlhf.runtime import pick_dtype, seed_everything
    from rlhf.types import SamplingSettings

    if config.use_peft and processes.sharded:
        raise InputError("LoRA needs no sharding: launch it with plain processes, or full weights with FSDP")
    seed_everything(config.seed)
    tokenizer = load_tokenizer(config.model)
    prompts, choosing, reporting = _load_tasks(config, tokenizer, say=processes.main)
    dtype = pick_dtype(config.dtype, processes.device)
    reward_tokenizer = load_tokenizer(config.reward)
    reward = load_reward_model(config.reward, dtype=dtype)
    same_tokens = same_tokenizer(tokenizer, reward_tokenizer)
    model = load_policy_model(
        config, reward, same_tokens=same_tokens, compute_dtype=dtype, sharded=processes.sharded
    ).to(processes.device)
    settings = SamplingSettings(temperature=config.temperature, max_new_tokens=config.max_new_tokens)
    sampler = Sampler.of(model, config.model, tokenizer, settings, sharded=processes.sharded)
    budget = 2 * config.tokens_at_once(processes.device)  # nothing is kept for a way back
    scorer = Scorer(
        reward.to(processes.device),
        reward_tokenizer,
        tokenizer,
        normalize=config.normalize_scores,
        token_budget=budget,
    )
    make = RolloutMaker(model, sampler, scorer, processes, token_budget=budget)
    if processes.main:
        print(_describe(model, same_tokens), file=sys.stderr)
    holdout = Holdout(config, make, choosing, reporting)
    trainer = PPOTrainer(config, model, make, sampler.refresh, prompts, holdout, processes)
    return trainer, partial(_finish, config, trainer, tokenizer)


def _describe(model: Any, same_tokens: bool) -> str:
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    words = "the same ids" if same_tokens else "text, encoded again for the reward model's own tokenizer"
    return f"training {trained:,} parameters; the reward model reads {words}"


def _load_tasks(config: PolicyConfig, tokenizer: Any, say: bool) -> list[list[Any]]:
    """Prompts to train on, those that choose the best policy, those that report on it; says what was cut."""
    from rlhf.chat_format import encode_prompt, truncate_prompt
    from rlhf.reward_model import position_limit
    from rlhf.rollouts import Task

    room = position_limit(config.model) - config.max_new_tokens
    if room < 1:
        raise InputError(f"--max_new_tokens {config.max_new_tokens} leaves no room for a prompt in the model's context")
    longest = min(config.max_prompt_tokens, room)
    parts, lines = _load_prompts(config)
    groups, cut = [], 0
    for part in parts:
        tasks = []
        for prompt in part:
            ids, lost = truncate_prompt(encode_prompt(tokenizer, prompt.messages), longest)
            cut += lost > 0
            tasks.append(Task(prompt.messages, ids, seed=0))
        groups.append(tasks)
    if say:
        lines.append(f"{cut} prompts cut to {longest} tokens")
        print("\n".join(lines), file=sys.stderr)
    return groups


def _load_prompts(config: PolicyConfig) -> tuple[list[list[Prompt]], list[str]]:
    """The same as prompts, and what there is to say about them."""
    from rlhf.data import load_prompts
    from rlhf.policy_holdout import LEAST_PROMPTS

    def load(path: str) -> list[Prompt]:
        found, report = load_prompts(path, max_bad_share=config.max_bad_share)
        lines.append(str(report))
        return found

    lines: list[str] = []
    prompts = load(config.prompts)
    if config.eval_prompts:
        held_out = load(config.eval_prompts)
    else:
        prompts, held_out = split_prompts(prompts, config.holdout, config.seed)
    if config.choose_prompts:
        reporting, choosing = held_out, load(config.choose_prompts)
    else:
        reporting, choosing = split_prompts(held_out, 0.5, config.seed)
    reporting, choosing = (in_order(part, config.seed) for part in (reporting, choosing))
    chose = {_key(prompt, config.seed) for prompt in choosing}
    reporting = [prompt for prompt in reporting if _key(prompt, config.seed) not in chose]
    how = f"{len(choosing)} choose the policy, {len(reporting)} report on it"
    if min(len(reporting), len(choosing)) < LEAST_PROMPTS:
        reporting = choosing = in_order([*reporting, *choosing], config.seed)
        how = f"too few for two parts, so that all {len(choosing)} choose the policy and report on it, with other seeds"
    if not prompts or len(choosing) < 2:
        raise InputError("PPO needs at least one prompt to train on and two to hold out: give more prompts")
    lines.append(f"{len(prompts)} prompts to train on; held out: {how}")
    return [prompts, choosing, reporting], lines


def split_prompts(prompts: list[Prompt], share: float, seed: int) -> tuple[list[Prompt], list[Prompt]]:
    """Training and holdout prompts; which are held out depends on their text and the seed alone."""
    keys = sorted({_key(prompt, seed) for prompt in prompts})
    held_out = set(keys[: max(2, round(share * len(keys)))])
    return [p for p in prompts if _key(p, seed) not in held_out], [p for p in prompts if _key(p, seed) in held_out]


def in_order(prompts: list[Prompt], seed: int) -> list[Prompt]:
    """Each prompt once, in an order that depends on their text and the seed alone."""
    found = {_key(prompt, seed): prompt for prompt in prompts}
    return [found[key] for key in sorted(found)]


def _key(prompt: Prompt, seed: int) -> str:
    text = json.dumps([seed, prompt.messages], ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _finish(config: PolicyConfig, trainer: Any, tokenizer: Any, seconds: float) -> dict[str, Any]:
    """Saves the best policy and returns the summary."""
    from rlhf.policy_files import policy_card, save_policy

    output, state = Path(config.output), trainer.state
    episodes = state["update"] * config.batch_size
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
    readme = policy_card(to_dict(config), summary)
    save_policy(output, trainer.model, tokenizer, config, readme, write=trainer.processes.main)
    trainer.processes.wait()
    return summary


if __name__ == "__main__":
    run_cli(main)
