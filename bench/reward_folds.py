"""`python -m bench.reward_folds`: how well reward models tell the better of pairs whose prompts they have not seen.

Each fold of the prompts is judged by a model that was trained on the others, by each of several recipes; so every pair
is judged once by each, and recipes are compared on the same pairs. The last line on stdout is JSON; before it stands a
table. What has ended in the output folder is not trained again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch

from bench.pairs import data_file, report, say
from rlhf.config import Doc, Ge, parse_config, run_cli
from rlhf.data import load_pairs, prompt_key
from rlhf.intervals import mean_interval
from rlhf.reward_metrics import share_interval

SCORED = 1024  # tokens of a text that is judged; training cuts prompts shorter
COMMON = {"max_length": 256, "num_train_epochs": 1, "heads": 1, "train_batch_size": 8, "dtype": "bfloat16"}
RECIPES: dict[str, dict[str, Any]] = {
    "baseline": {},
    "twice the rate": {"learning_rate": 4e-5},
    "two epochs": {"num_train_epochs": 2},
    "no centring": {"center_rewards_coefficient": 0},
    "four heads": {"heads": 4},
}
ADJUSTED = "baseline, length taken out"


@dataclass(frozen=True)
class FoldsConfig:
    """Trains reward models by several recipes on all but one fold, and judges that."""

    model: Annotated[str, Doc("A prepared base model: a folder.")]
    data: Annotated[str, Doc("Preference pairs, HH-harmless by default.")] = data_file("hh_harmless.jsonl.gz")
    output: Annotated[Path, Doc("Folder for the trainings; what has ended there is not trained again.")] = Path(
        "build/bench/reward_folds"
    )
    folds: Annotated[int, Ge(2), Doc("How many parts of the prompts.")] = 5


def main(argv: list[str]) -> None:
    config = parse_config(FoldsConfig, argv, prog="python -m bench.reward_folds")
    config.output.mkdir(parents=True, exist_ok=True)
    parts = folds(config)
    judged = {name: judge(name, config, parts) for name in RECIPES}
    baseline = judged["baseline"]
    judged[ADJUSTED] = without_length(baseline)
    print("| recipe | accuracy | 95% | beside the baseline, points | shorter is better | longer is better |")
    print("|---|---|---|---|---|---|")
    found = {name: figures(rows, baseline) for name, rows in judged.items()}
    for name, f in found.items():
        print(
            f"| {name} | {f['accuracy']:.3f} | {f['low']:.3f} to {f['high']:.3f} | {100 * f['gain_low']:+.1f} to "
            f"{100 * f['gain_high']:+.1f} | {f['shorter']:.3f} of {f['shorter_pairs']} | "
            f"{f['longer']:.3f} of {f['longer_pairs']} |"
        )
    report({"bench": "reward_folds", "recipes": found})


def folds(config: FoldsConfig) -> list[Path]:
    """A file of pairs for each fold; pairs of one conversation's first turn are in one."""
    pairs, _ = load_pairs(config.data)
    keys = sorted({prompt_key(pair.prompt, 0) for pair in pairs})
    fold_of = {key: place % config.folds for place, key in enumerate(keys)}
    files = [config.output / f"fold-{fold}.jsonl" for fold in range(config.folds)]
    for fold, file in enumerate(files):
        rows = [pair for pair in pairs if fold_of[prompt_key(pair.prompt, 0)] == fold]
        file.write_text(
            "".join(
                json.dumps({"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected}) + "\n"
                for row in rows
            )
        )
    return files


def judge(name: str, config: FoldsConfig, parts: Sequence[Path]) -> list[dict[str, Any]]:
    """Of each pair: its fold, its prompt, by how much its better response scores higher and is longer."""
    rows: list[dict[str, Any]] = []
    for fold, part in enumerate(parts):
        folder = config.output / f"{name.replace(' ', '-')}-{fold}"
        done = folder / "judged.jsonl"
        if not done.exists():
            train(name, config, [each for each in parts if each != part], part, folder)
            score(part, folder, done)
        fresh = [json.loads(line) | {"fold": fold} for line in done.read_text().splitlines()]
        say(f"{name}, fold {fold}: {sum(row['ahead'] > 0 for row in fresh) / len(fresh):.3f} of {len(fresh)} pairs")
        rows += fresh
    return rows


def train(name: str, config: FoldsConfig, others: Sequence[Path], part: Path, folder: Path) -> None:
    """On the other folds. Nothing is chosen by the fold that is judged: the last checkpoint is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "train.jsonl"
    data.write_text("".join(file.read_text() for file in others))
    settings = {
        **COMMON, **RECIPES[name], "model": config.model, "data": data, "holdout": 0, "output": folder / "run",
        "resume": "true",
    }  # fmt: skip
    flags = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
    subprocess.run([sys.executable, "-m", "rlhf.train", "reward", *flags], check=True, stdout=sys.stderr)


def score(part: Path, folder: Path, done: Path) -> None:
    pairs = [json.loads(line) for line in part.read_text().splitlines()]
    asked, scored = folder / "to-score.jsonl", folder / "scored.jsonl"
    sides = ("chosen", "rejected")
    rows = [{"prompt": pair["prompt"], "response": pair[side]} for pair in pairs for side in sides]
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["rlhf.evaluate", "score", "--model", str(folder / "run" / "model"), "--data", str(asked)]
    command += ["--max_length", str(SCORED), "--output", str(scored)]
    subprocess.run([sys.executable, "-m", *command], check=True, stdout=sys.stderr)
    scores = [json.loads(line)["score"] for line in scored.read_text().splitlines()]
    with done.open("w") as file:
        for pair, better, worse in zip(pairs, scores[::2], scores[1::2], strict=True):
            longer = len(pair["chosen"]) - len(pair["rejected"])
            row = {"prompt": prompt_key(pair["prompt"], 0), "ahead": better - worse, "longer": longer}
            file.write(json.dumps(row) + "\n")


def without_length(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same judgements less what the difference in length says of them: a line through the origin, fitted on the
    other folds."""
    found = []
    for row in rows:
        others = [each for each in rows if each["fold"] != row["fold"]]
        square = sum(each["longer"] ** 2 for each in others)
        slope = sum(each["longer"] * each["ahead"] for each in others) / square if square else 0.0
        found.append(row | {"ahead": row["ahead"] - slope * row["longer"]})
    return found


def figures(rows: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy with its interval by prompts, the gain over the baseline on the same pairs, and accuracy by which of the
    two is the better one."""
    right = [float(row["ahead"] > 0) for row in rows]
    prompts = [row["prompt"] for row in rows]
    low, high = share_interval(torch.tensor(right), prompts)
    gain = mean_interval([a - float(b["ahead"] > 0) for a, b in zip(right, baseline, strict=True)], prompts)
    by = {
        "shorter": [a for a, row in zip(right, rows, strict=True) if row["longer"] < 0],
        "longer": [a for a, row in zip(right, rows, strict=True) if row["longer"] > 0],
    }
    return {
        "pairs": len(rows),
        "accuracy": sum(right) / len(right),
        "low": low,
        "high": high,
        "gain_low": gain[0],
        "gain_high": gain[1],
        **{side: sum(each) / max(1, len(each)) for side, each in by.items()},
        **{f"{side}_pairs": len(each) for side, each in by.items()},
    }


if __name__ == "__main__":
    run_cli(main)
