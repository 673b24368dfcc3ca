"""`python -m bench.reward_accuracy`: how good a reward model gets beside TRL's, on the same split of the same pairs.

Three trainings from one start: TRL's for one epoch, ours for the same epoch in the same order, and ours for as long
as TRL's took. The last line on stdout is JSON with accuracy (and Wilson's interval) on the held-out prompts.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from bench.pairs import HERE, data_file, one_run
from bench.peers import peer_python
from bench.reward import PEER, starting_model, tokens
from rlhf.config import Doc, Gt, Lt, parse_config, run_cli


@dataclass(frozen=True)
class AccuracyConfig:
    """Trains reward models here and with TRL and compares them on held-out prompts."""

    data: Annotated[str, Doc("Preference pairs, HH-harmless by default.")] = data_file("hh_harmless.jsonl.gz")
    model: Annotated[str | None, Doc("A prepared base model; none: SmolLM2-135M-Instruct from its wheel.")] = None
    holdout: Annotated[float, Gt(0), Lt(1), Doc("Share of prompts held out.")] = 0.1
    train_pairs: Annotated[int | None, Gt(0), Doc("Train on so many pairs; none: on all.")] = None
    batch: Annotated[int, Gt(0), Doc("Pairs in a step; with 16 the peer takes more than 24 GB.")] = 8
    learning_rate: Annotated[float, Gt(0), Doc("Peak rate, cosine.")] = 2e-5
    max_length: Annotated[int, Gt(1), Doc("Longer prompts are cut on the left, for both.")] = 1024
    device: Annotated[str, Doc("cpu or cuda.")] = "cpu"


def main(argv: list[str]) -> None:
    config = parse_config(AccuracyConfig, argv, prog="python -m bench.reward_accuracy")
    ours = [sys.executable, "-m", "bench.reward_ours"]
    peer = [str(peer_python(PEER, [PEER])), str(HERE / "reward_peer.py")]
    with tempfile.TemporaryDirectory(prefix="bench-reward-") as name:
        folder = Path(name)
        start = starting_model(config.model, folder)
        train, held_out = split(config, start, folder)
        steps = len(train[0]) // config.batch
        spec = {
            "model": start,
            "output": str(folder / "out"),
            "batch": config.batch,
            "at_once": config.batch,
            "steps": steps,
            "learning_rate": config.learning_rate,
            "dtype": "bfloat16",
            "device": config.device,
            "token_budget": None,
            **dict(zip(("chosen_ids", "rejected_ids"), train, strict=True)),
            **dict(zip(("eval_chosen_ids", "eval_rejected_ids"), held_out, strict=True)),
        }
        theirs = run(peer, folder, spec)
        same = run(ours, folder, spec)
        longer = max(steps, round(steps * theirs["seconds"] / same["seconds"]))
        as_long = run(ours, folder, {**spec, "steps": longer})
    counts = {"train_pairs": steps * config.batch, "holdout_pairs": len(held_out[0])}
    print(json.dumps({**counts, "peer": theirs, "ours_same_epochs": same, "ours_same_time": as_long}))


def split(config: AccuracyConfig, start: str, folder: Path) -> tuple[list[list[list[int]]], list[list[list[int]]]]:
    """Chosen and rejected sequences to train on, and those of the held-out prompts."""
    from rlhf.data import load_pairs, split_by_prompt

    pairs, _ = load_pairs(config.data)
    parts = dict(zip(("train", "held_out"), split_by_prompt(pairs, config.holdout), strict=True))
    sequences = []
    for name, part in parts.items():
        rows = [{"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected} for pair in part]
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        needed = config.train_pairs if name == "train" else None
        sequences.append(list(tokens(start, str(file), config.max_length, needed)))
    return sequences[0], sequences[1]


def run(command: list[str], folder: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """Trains once; seconds of the training and accuracy on the held-out pairs."""
    from rlhf.reward_metrics import wilson_interval

    found = one_run(command, folder, spec)
    differences = found["differences"]
    right = sum(difference > 0 for difference in differences)
    low, high = wilson_interval(right, len(differences))
    result = {
        "steps": spec["steps"],
        "seconds": round(found["ended"][-1] - found["began"], 1),
        "accuracy": round(right / len(differences), 4),
        "accuracy_low": round(low, 4),
        "accuracy_high": round(high, 4),
        "memory_gb": round(found["memory"] / 1e9, 2),
        "version": found["version"],
    }
    print(json.dumps(result), file=sys.stderr)
    return result


if __name__ == "__main__":
    run_cli(main)
