"""Every method on the same labels, several seeds each: win rate by the hidden taste, KL, length, time, memory.

    python -m bench.methods --reward_run .hone/store/runs/5/attempt-1-... --policy_run .hone/store/runs/7/attempt-1-...

after `make demo` (`hone runs show 5` names the folders). PPO, PPO with an ensemble's mean less its variance, and RLOO
repeat the policy run's settings; DPO learns from the pairs that the reward model learned from; best-of-4 trains
nothing. Each then answers the holdout prompts beside the base, and the demo's taste chooses without noise. Before the
last line, which is JSON, stands the table of docs/methods.md. What has ended in the output folder is not run again.
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import yaml

from bench.pairs import report, say
from rlhf.config import Doc, Ge, RunFailed, parse_config, run_cli
from rlhf.reward_metrics import share_interval
from workers.demo.taste import choose

VARIANCE_PENALTY = 0.5  # k of "mean - k x variance"
BEST_OF = 4
SHARED = (  # settings of PPO that RLOO has too
    *("total_episodes", "batch_size", "num_mini_batches", "max_new_tokens", "temperature", "learning_rate", "beta"),
    *("kl_budget", "eval_steps", "eval_size", "use_peft", "lora_r", "lora_alpha", "max_prompt_tokens"),
)
FILES = ("model", "reward", "prompts", "eval_prompts", "choose_prompts")
TITLES = {
    "ppo": "PPO",
    "ppo_variance": f"PPO, mean - {VARIANCE_PENALTY:g} x variance",
    "rloo": "RLOO",
    "dpo": "DPO",
    "best_of": f"best of {BEST_OF}",
}


@dataclass(frozen=True)
class MethodsConfig:
    """Trains by each method with several seeds and compares the policies with the base."""

    reward_run: Annotated[Path, Doc("Folder of a finished reward run, with its config.yaml and pairs.")]
    policy_run: Annotated[Path, Doc("Folder of a finished PPO run against that reward model.")]
    output: Annotated[Path, Doc("Folder for the runs; what has ended there is not run again.")] = Path(
        "build/bench/methods"
    )
    seeds: Annotated[int, Ge(1), Doc("How many, from 1 on.")] = 4


def main(argv: list[str]) -> None:
    config = parse_config(MethodsConfig, argv, prog="python -m bench.methods")
    policy = yaml.safe_load((config.policy_run / "config.yaml").read_text())
    reward = yaml.safe_load((config.reward_run / "config.yaml").read_text())
    config.output.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, Any]]] = {method: [] for method in TITLES}
    for seed in range(1, config.seeds + 1):
        for method in TITLES:
            rows[method].append(one(method, seed, policy, reward, config.output / f"{method}-{seed}"))
            say(json.dumps({"method": method, "seed": seed} | _figures(rows[method][-1])))
    print("| method | win rate | 95% | by seed | KL, nats | tokens | reward | minutes | CPU minutes | peak GB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    found = {method: over_seeds(each) for method, each in rows.items()}
    for method, f in found.items():
        seeds = f"{min(f['win_rates']):.2f} to {max(f['win_rates']):.2f}"
        print(
            f"| {TITLES[method]} | {f['win_rate']:.3f} | {f['low']:.3f} to {f['high']:.3f} | {seeds} | {f['kl']:.2f} "
            f"| {f['tokens']:.0f} | {f['reward']:.2f} | {f['minutes']:.1f} | {f['cpu_minutes']:.1f} | {f['gb']:.1f} |"
        )
    report({"bench": "methods", "seeds": config.seeds, "methods": found})


def one(method: str, seed: int, policy: dict[str, Any], reward: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train by `method` with `seed` where that has not been done, and compare with the base on the holdout."""
    done = folder / "figures.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text())
        return found
    folder.mkdir(parents=True, exist_ok=True)
    spent = {"seconds": 0.0, "cpu": 0.0, "gb": 0.0}
    model = policy["model"]
    if method != "best_of":
        settings = settings_of(method, policy, reward) | {"seed": seed, "output": str(folder / "run"), "resume": True}
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
        name = "ppo" if method == "ppo_variance" else method
        spent = timed([sys.executable, "-m", "rlhf.train", name, "--config", str(folder / "settings.yaml")])
        summary = json.loads((folder / "run" / "summary.json").read_text())
        model, spent["seconds"] = summary["model"], summary["seconds"]
    answers = compared(model, policy, seed, folder)
    if method == "best_of":
        spent = best_of(policy, seed, folder, answers)
    figures = spent | answers
    done.write_text(json.dumps(figures))
    return figures


def settings_of(method: str, policy: dict[str, Any], reward: dict[str, Any]) -> dict[str, Any]:
    """What a training by `method` is told: the policy run's settings, for DPO the reward run's pairs."""
    if method == "ppo":
        return policy
    if method == "ppo_variance":
        return policy | {"variance_penalty": VARIANCE_PENALTY}
    if method == "rloo":
        return {name: policy[name] for name in (*SHARED, *FILES)}
    return {
        **{name: reward[name] for name in ("model", "data", "eval_data", "choose_data", "max_length")},
        **{name: policy[name] for name in ("use_peft", "lora_r", "lora_alpha")},
    }


def compared(model: str, policy: dict[str, Any], seed: int, folder: Path) -> dict[str, Any]:
    """The model and the base on the holdout prompts, with one seed; what the taste says of each two answers."""
    run(
        *("rlhf.evaluate", "policy", "--model", model, "--baseline", policy["model"], "--reward", policy["reward"]),
        *("--prompts", policy["eval_prompts"], "--temperature", str(policy["temperature"]), "--seed", str(seed)),
        *("--max_new_tokens", str(policy["max_new_tokens"])),
        *("--output", str(folder / "answers.jsonl"), "--figures", str(folder / "compared.json")),
    )
    figures = json.loads((folder / "compared.json").read_text())
    rows = _lines(folder / "answers.jsonl")
    return {
        "prompts": [json.dumps(row["prompt"]) for row in rows],
        "wins": [
            _won((row["response"], row["finished"]), (row["baseline_response"], row["baseline_finished"]))
            for row in rows
        ],
        "base": [(row["baseline_response"], row["baseline_finished"]) for row in rows],
        "kl": figures["kl"],
        "tokens": figures["answer_tokens"],
        "reward": figures["reward"],
    }


def best_of(policy: dict[str, Any], seed: int, folder: Path, answers: dict[str, Any]) -> dict[str, float]:
    """Replaces the base's own answers in `answers` by the best of several, and says what they took.

    The KL is at most log n - (n - 1) / n (Beirami et al. 2024, theorem 1), and near it for long answers.
    """
    file = folder / "best.jsonl"
    spent = timed(
        [
            *(sys.executable, "-m", "rlhf.sample", "--model", policy["model"], "--reward", policy["reward"]),
            *("--prompts", policy["eval_prompts"], "--best_of", str(BEST_OF), "--n", "1", "--strategy", "stochastic"),
            *("--temperature", str(policy["temperature"]), "--max_new_tokens", str(policy["max_new_tokens"])),
            *("--seed", str(1000 + seed), "--output", str(file)),
        ]
    )
    best = {json.dumps(row["prompt"]): row["responses"][0] for row in _lines(file)}
    chosen = [best[prompt] for prompt in answers["prompts"]]
    answers["wins"] = [_won(_said(one), tuple(base)) for one, base in zip(chosen, answers["base"], strict=True)]
    answers["kl"] = math.log(BEST_OF) - (BEST_OF - 1) / BEST_OF
    answers["tokens"] = statistics.fmean(one["tokens"] for one in chosen)
    answers["reward"] = statistics.fmean(one["score"] for one in chosen)
    return spent


def over_seeds(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds; the interval of the win rate takes all answers to one prompt together."""
    wins = torch.tensor([won for row in rows for won in row["wins"]])
    low, high = share_interval(wins, [prompt for row in rows for prompt in row["prompts"]])
    means = {name: statistics.fmean(row[name] for row in rows) for name in ("kl", "tokens", "reward")}
    return {
        "win_rate": float(wins.double().mean()),
        "low": low,
        "high": high,
        "win_rates": [statistics.fmean(row["wins"]) for row in rows],
        **means,
        "minutes": statistics.fmean(row["seconds"] for row in rows) / 60,
        "cpu_minutes": statistics.fmean(row["cpu"] for row in rows) / 60,
        "gb": max(row["gb"] for row in rows),
    }


def run(*module: str) -> None:
    subprocess.run([sys.executable, "-m", *module], check=True, stdout=sys.stderr)


def timed(command: list[str]) -> dict[str, float]:
    """Run it; its seconds, its seconds of CPU and its peak of resident memory in GB."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RunFailed(f"{' '.join(command)} ended with {process.returncode}; what it said is above")
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": time.monotonic() - began, "cpu": cpu, "gb": usage.ru_maxrss / 2**20}


def _won(ours: tuple[str, bool], theirs: tuple[str, bool]) -> float:
    return {"a": 1.0, "b": 0.0, "tie": 0.5}[choose(ours, theirs, random.Random(0), noise=0)]


def _said(response: dict[str, Any]) -> tuple[str, bool]:
    return response["text"], response["finish_reason"] == "stop"


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _figures(row: dict[str, Any]) -> dict[str, float]:
    names = ("kl", "tokens", "reward", "seconds", "cpu", "gb")
    return {"win_rate": statistics.fmean(row["wins"]), **{name: round(row[name], 3) for name in names}}


if __name__ == "__main__":
    run_cli(main)
