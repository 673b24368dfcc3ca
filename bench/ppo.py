"""`make bench-ppo`: PPO beside TRL's PPOTrainer (1.12, the last release that had it), on the same models and settings.

Both run in processes of their own, in turn, several times; all weights are trained, policy and value model separate,
gradient checkpointing off on both sides. Speed is in episodes per second over whole updates: rollouts and optimiser
steps, loading left out. Sampling is random on both sides, so curves are compared by their means:
`loss_gap` is the difference of the mean value loss, `score_gap` that of the mean score of the answers.
The last line on stdout is JSON.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from bench.flops import FORWARD, TRAINED, share, trunk_weights
from bench.pairs import HERE, data_file, in_turn, one_run, report, say
from bench.peers import peer_python
from rlhf.config import Doc, Ge, Gt, RunFailed, parse_config, run_cli

PEER = "trl==1.12.0"


@dataclass(frozen=True)
class BenchConfig:
    """Measures PPO beside TRL's."""

    prompts: Annotated[str, Doc("Prompts.")] = data_file("prompts.jsonl.gz")
    model: Annotated[str | None, Doc("A prepared base model; none: SmolLM2-135M-Instruct from its wheel.")] = None
    runs: Annotated[int, Ge(1), Doc("Pairs of runs, ours and theirs in turn.")] = 5
    updates: Annotated[int, Ge(1), Doc("Updates in a run.")] = 1
    batch: Annotated[int, Gt(0), Doc("Answers in an update.")] = 16
    mini_batches: Annotated[int, Gt(0), Doc("Optimiser steps in an epoch, TRL's default; divides the batch.")] = 1
    epochs: Annotated[int, Gt(0), Doc("Epochs of an update; TRL's default.")] = 4
    max_new_tokens: Annotated[int, Gt(0), Doc("Longest answer; TRL's default.")] = 53
    max_prompt_tokens: Annotated[int, Gt(0), Doc("Longer prompts are cut on the left, for both.")] = 256
    temperature: Annotated[float, Gt(0), Doc("Of sampling and training; TRL's default.")] = 0.7
    learning_rate: Annotated[float, Gt(0), Doc("Peak rate, linear decay.")] = 3e-6
    token_budget: Annotated[int | None, Gt(0), Doc("Ours: tokens computed at once; none: as it ships.")] = None
    dtype: Annotated[Literal["bfloat16", "float32"], Doc("Number format; TRL's weights are in it, ours float32.")] = (
        "float32"
    )
    device: Annotated[str, Doc("cpu or cuda.")] = "cpu"
    peak: Annotated[float | None, Gt(0), Doc("The device's TFLOP/s in this format; none: no share is told.")] = None


def main(argv: list[str]) -> None:
    config = parse_config(BenchConfig, argv, prog="python -m bench.ppo")
    commands = {
        "ours": [sys.executable, "-m", "bench.ppo_ours"],
        "peer": [str(peer_python(PEER, [PEER])), str(HERE / "ppo_peer.py")],
    }
    with tempfile.TemporaryDirectory(prefix="bench-ppo-") as name:
        folder = Path(name)
        prompts = prepare(config, folder)
        found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}

        def rate(side: str, run: int) -> float:
            spec = {
                **{key: value for key, value in vars(config).items() if key not in ("prompts", "model", "runs")},
                "prompt_ids": prompts,
                "base": str(folder / "base"),
                "reward": str(folder / "reward"),
                "output": str(folder / "out"),
                "seed": run,
            }
            figures = one_run(commands[side], folder, spec)
            say(f"{figures['version']}: {json.dumps(figures['metrics'][-1])}")
            found[side].append(figures)
            return config.updates * config.batch / float(figures["ended"][-1] - figures["began"])

        result = in_turn(lambda run: rate("ours", run), lambda run: rate("peer", run), config.runs)
        weights = trunk_weights(str(folder / "base"))

    def mean(side: str, metric: str) -> float:
        return statistics.fmean(row[metric] for run in found[side] for row in run["metrics"])

    # Both draw from the same distribution; TRL does not say how long its answers are.
    tokens = statistics.fmean(map(len, prompts)) + mean("ours", "val/answer_tokens")
    # Drawn, read by policy, reference, value and reward model, then learnt from by policy and value model.
    flops = weights * tokens * (5 * FORWARD + 2 * TRAINED * config.epochs)
    curves = {f"{side}_scores": scores_by_update(found[side]) for side in ("ours", "peer")}
    report(
        result
        | {
            "tokens_per_s": {side: round(result[side] * tokens, 1) for side in found},
            "peak_share": config.peak and {side: share(flops * result[side], config.peak) for side in found},
            "peer_version": found["peer"][-1]["version"],
            "loss_gap": abs(mean("ours", "loss/value_avg") - mean("peer", "loss/value_avg")),
            "score_gap": abs(mean("ours", "objective/scores") - mean("peer", "objective/scores")),
            "unit": "episodes/s",
            "ours_memory_gb": max(run["memory"] for run in found["ours"]) / 1e9,
            "peer_memory_gb": max(run["memory"] for run in found["peer"]) / 1e9,
            **curves,
        }
    )


def scores_by_update(runs: list[dict[str, Any]]) -> list[float]:
    """Mean score of each update over all runs."""
    columns = zip(*([row["objective/scores"] for row in run["metrics"]] for run in runs), strict=True)
    return [round(statistics.fmean(column), 4) for column in columns]


def write_models(base: str | None, folder: Path) -> None:
    """Writes `folder`/base and `folder`/reward (a fresh head on the same trunk).

    The tokenizer gets a pad token apart from its end token, without which TRL takes every end for padding.
    """
    from rlhf.chat_format import choose_pad, load_tokenizer
    from rlhf.policy_files import load_causal
    from rlhf.reward_files import new_reward_model

    if base is None:
        base = str(folder / "source")
        command = [sys.executable, "-m", "rlhf.base_models", "--source", "builtin:smollm2-135m-instruct"]
        subprocess.run([*command, "--output", base], check=True, stdout=subprocess.DEVNULL)
    tokenizer = load_tokenizer(base)
    choose_pad(tokenizer)
    policy = load_causal(base, "auto")
    policy.config.pad_token_id = tokenizer.pad_token_id
    policy.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    new_reward_model(base, tokenizer, seed=0).save(folder / "reward", tokenizer, mean=0.0, std=1.0)


def prepare(config: BenchConfig, folder: Path) -> list[list[int]]:
    """Writes the models; returns the prompts' tokens."""
    from rlhf.chat_format import fit_prompt, load_tokenizer
    from rlhf.data import load_prompts

    write_models(config.model, folder)
    tokenizer = load_tokenizer(str(folder / "base"))
    needed = config.updates * config.batch
    prompts, _ = load_prompts(config.prompts)
    if len(prompts) < needed:
        raise RunFailed(f"{config.prompts} has {len(prompts)} prompts, {needed} are needed: lower --updates or --batch")
    return [fit_prompt(tokenizer, prompt.messages, config.max_prompt_tokens)[0] for prompt in prompts[:needed]]


if __name__ == "__main__":
    run_cli(main)
