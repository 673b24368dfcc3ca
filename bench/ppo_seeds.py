"""PPO from one start with several seeds: does every one of them raise the holdout reward and the win rate?

    python -m bench.ppo_seeds --run .hone/store/runs/4/attempt-1-...  # after `make demo`: `hone runs show 4` names it

Each seed repeats the run's command with that seed. Its policy and the start then answer the holdout prompts, twice
each, and the demo's taste chooses without noise. The last line on stdout is JSON; before it the table of docs/ppo.md.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml

from bench.pairs import report, say
from rlhf.config import Doc, Ge, parse_config, run_cli
from rlhf.reward_metrics import wilson_interval
from workers.demo.taste import choose

ANSWERS = 2  # to each holdout prompt, of each policy


@dataclass(frozen=True)
class SeedsConfig:
    """Repeats a PPO run with other seeds."""

    run: Annotated[Path, Doc("Folder of a finished policy run, with its config.yaml.")]
    output: Annotated[Path, Doc("Folder for the runs; a seed that has ended there is not run again.")] = Path(
        "build/bench/seeds"
    )
    seeds: Annotated[int, Ge(1), Doc("How many, from 1 on.")] = 4


def main(argv: list[str]) -> None:
    config = parse_config(SeedsConfig, argv, prog="python -m bench.ppo_seeds")
    settings = yaml.safe_load((config.run / "config.yaml").read_text())
    config.output.mkdir(parents=True, exist_ok=True)
    base = answers(settings["model"], settings, config.output / "base.jsonl")
    rows = [one_seed(settings, seed, config.output / str(seed), base) for seed in range(1, config.seeds + 1)]
    print("| seed | holdout reward before | after | KL, nats | budget | win rate | 95% | comparisons | minutes |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['seed']} | {row['before']:.2f} | {row['after']:.2f} | {row['kl']:.2f} | {row['budget']:g} | "
            f"{row['rate']:.3f} | {row['low']:.3f} to {row['high']:.3f} | {row['comparisons']} | {row['minutes']:.1f} |"
        )
    report({"bench": "ppo_seeds", "seeds": rows})


def one_seed(settings: dict[str, Any], seed: int, folder: Path, base: list[dict[str, Any]]) -> dict[str, Any]:
    """Train with `seed`, then compare with the start's answers."""
    if not (folder / "summary.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        file = folder.with_suffix(".yaml")
        file.write_text(yaml.safe_dump(settings | {"seed": seed, "output": str(folder), "resume": True}))
        subprocess.run([sys.executable, "-m", "rlhf.train_policy", "--config", file], check=True, stdout=sys.stderr)
    summary = json.loads((folder / "summary.json").read_text())
    won, comparisons = 0.0, 0
    for new, old in zip(answers(summary["model"], settings, folder / "answers.jsonl"), base, strict=True):
        for one, other in zip(new["responses"], old["responses"], strict=True):
            choice = choose(_said(one), _said(other), random.Random(0), noise=0)
            won += {"a": 1.0, "b": 0.0, "tie": 0.5}[choice]
            comparisons += 1
    low, high = wilson_interval(won, comparisons)
    row = {
        "seed": seed,
        "before": summary["reward_before"],
        "after": summary["reward_after"],
        "kl": summary["kl"],
        "budget": summary["kl_budget"],
        "rate": won / comparisons,
        "low": low,
        "high": high,
        "comparisons": comparisons,
        "minutes": summary["seconds"] / 60,
    }
    say(json.dumps(row))
    return row


def answers(model: str, settings: dict[str, Any], file: Path) -> list[dict[str, Any]]:
    """The holdout prompts with this model's answers, in one order."""
    if not file.exists():
        command = [
            *(sys.executable, "-m", "rlhf.sample", "--model", model, "--prompts", settings["eval_prompts"]),
            *("--n", str(ANSWERS), "--strategy", "stochastic", "--temperature", str(settings["temperature"])),
            *("--max_new_tokens", str(settings["max_new_tokens"]), "--max_redraws", "0", "--output", str(file)),
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return sorted(rows, key=lambda row: json.dumps(row["prompt"]))


def _said(response: dict[str, Any]) -> tuple[str, bool]:
    return response["text"], response["finish_reason"] == "stop"


if __name__ == "__main__":
    run_cli(main)
