"""`python -m rlhf.train_policy`: from a policy, a reward model and prompts to a better policy in a folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlhf.config import InputError, parse_config, run_cli, to_dict
from rlhf.policy_settings import PolicyConfig
from rlhf.runtime import keep_few_kernels, keep_memory
from rlhf.training_run import Prepared, train
from rlhf.types import Prompt

if TYPE_CHECKING:
    from rlhf.prompts import Reader


def main(argv: list[str]) -> None:
    """The command line; see `rlhf.config.run_cli` for how outcomes become exit codes."""
    train_policy(parse_config(PolicyConfig, argv, prog="python -m rlhf.train_policy"))


def train_policy(config: PolicyConfig) -> dict[str, Any]:
    """Trains and returns the summary, which is also the last line on stdout and `summary.json` in the output folder.

    Raises InputError for settings or data that cannot be used, RunFailed where training goes wrong, Interrupted
    after a signal (with a checkpoint).
    """
    return train(config, prepare)


def prepare(config: PolicyConfig, processes: Any) -> Prepared:
    """Trainer, and what finishes its work."""
    keep_few_kernels()
    keep_memory()
    from rlhf.chat_format import load_tokenizer
    from rlhf.policy_files import load_policy_model
    from rlhf.policy_holdout import Holdout
    from rlhf.ppo_trainer import PPOTrainer
    from rlhf.reward_model import load_reward_model
    from rlhf.rollouts import RolloutMaker, Sampler, Scorer, same_tokenizer
    from rlhf.runtime import pick_dtype, seed_everything
    from rlhf.types import SamplingSettings

    seed_everything(config.seed)
    tokenizer = load_tokenizer(config.model)
    reward_tokenizer = load_tokenizer(config.reward)
    prompts, choosing, reporting = _load_tasks(config, tokenizer, reward_tokenizer, say=processes.main)
    dtype = pick_dtype(config.dtype, processes.device)
    reward = load_reward_model(config.reward, dtype=dtype)
    same_tokens = same_tokenizer(tokenizer, reward_tokenizer)
    model = load_policy_model(
        config, tokenizer, reward, same_tokens=same_tokens, compute_dtype=dtype, sharded=processes.sharded
    ).to(processes.device)
    settings = SamplingSettings(temperature=config.temperature, max_new_tokens=config.max_new_tokens)
    sampler = Sampler.of(model, config.model, tokenizer, settings, sharded=processes.sharded)
    budget = 2 * config.tokens_at_once(processes.device)  # nothing is kept for a way back
    scorer = Scorer(
        reward.to(processes.device),
        reward_tokenizer,
        tokenizer,
        longest=config.max_new_tokens,
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


def _load_tasks(config: PolicyConfig, tokenizer: Any, reward_tokenizer: Any, say: bool) -> list[list[Any]]:
    """Prompts to train on, those that choose the best policy, those that report on it; says what was cut."""
    from rlhf.chat_format import fit_prompt
    from rlhf.prompts import prompt_room
    from rlhf.reward_model import position_limit
    from rlhf.rollouts import Task

    longest = prompt_room(position_limit(config.model), config.max_new_tokens, config.max_prompt_tokens)
    assert longest is not None  # noqa: S101
    parts, lines = _load_prompts(config, [(tokenizer, longest), (reward_tokenizer, None)])
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


def _load_prompts(config: PolicyConfig, readers: Sequence[Reader]) -> tuple[list[list[Prompt]], list[str]]:
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
        raise InputError("PPO needs at least one prompt to train on and two to hold out: give more prompts")
    lines.append(f"{len(prompts)} prompts to train on; held out: {how}")
    return [prompts, list(choosing.values()), list(reporting.values())], lines


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
