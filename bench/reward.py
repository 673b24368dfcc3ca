"""`make bench-reward`: reward training beside TRL's RewardTrainer, on the same tokens, order, model and settings.

Both run in processes of their own, in turn, several times; gradient checkpointing is off on both sides. Speed is in
pairs per second from the end of the first step on. A run in float32 compares the losses of the first steps.
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

from bench.peers import peer_python
from rlhf.config import Doc, Ge, Gt, RunFailed, parse_config, run_cli

PEER = "trl==1.16.0"
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class BenchConfig:
    """Measures reward training beside TRL's."""

    data: Annotated[str, Doc("Preference pairs, HH-harmless by default.")] = "../shared/data/hh_harmless.jsonl.gz"
    model: Annotated[str | None, Doc("A prepared base model; none: SmolLM2-135M-Instruct from its wheel.")] = None
    runs: Annotated[int, Ge(1), Doc("Pairs of runs, ours and theirs in turn.")] = 5
    steps: Annotated[int, Ge(2), Doc("Steps in a run; the first is not timed.")] = 5
    batch: Annotated[int, Gt(0), Doc("Pairs in a step.")] = 16
    loss_steps: Annotated[int, Ge(0), Doc("Steps of the run in float32 that compares losses; 0: none.")] = 20
    loss_batch: Annotated[int, Gt(0), Doc("Pairs in a step of that run.")] = 4
    learning_rate: Annotated[float, Gt(0), Doc("Peak rate, cosine.")] = 2e-5
    max_length: Annotated[int, Gt(1), Doc("Longer prompts are cut on the left, for both.")] = 1024
    token_budget: Annotated[int, Gt(0), Doc("Ours: tokens computed at once.")] = 2048
    dtype: Annotated[Literal["bfloat16", "float32"], Doc("Number format of the timed runs.")] = "bfloat16"
    device: Annotated[str, Doc("cpu or cuda.")] = "cpu"


def main(argv: list[str]) -> None:
    config = parse_config(BenchConfig, argv, prog="python -m bench.reward")
    ours, peer = (
        [sys.executable, "-m", "bench.reward_ours"],
        [str(peer_python(PEER, [PEER])), str(HERE / "reward_peer.py")],
    )
    with tempfile.TemporaryDirectory(prefix="bench-reward-") as name:
        folder = Path(name)
        needed = max(config.steps * config.batch, config.loss_steps * config.loss_batch)
        start = starting_model(config.model, folder)
        chosen, rejected = tokens(start, config.data, config.max_length, needed)
        spec = {"learning_rate": config.learning_rate, "token_budget": config.token_budget, "device": config.device}

        def run(command: list[str], steps: int, batch: int, dtype: str) -> dict[str, Any]:
            count = steps * batch
            pairs = {"chosen_ids": chosen[:count], "rejected_ids": rejected[:count]}
            sizes = {"steps": steps, "batch": batch, "dtype": dtype, "output": str(folder / "out")}
            return one_run(command, folder, {**spec, **sizes, **pairs, "model": start})

        speeds: dict[str, list[float]] = {"ours": [], "peer": []}
        memory: dict[str, float] = {"ours": 0.0, "peer": 0.0}
        version = ""
        for number in range(config.runs):
            sides = [("ours", ours), ("peer", peer)]
            for side, command in sides if number % 2 == 0 else reversed(sides):
                found = run(command, config.steps, config.batch, config.dtype)
                seconds = found["ended"][-1] - found["ended"][0]
                speeds[side].append((config.steps - 1) * config.batch / seconds)
                memory[side] = max(memory[side], found["memory"] / 1e9)
                version = found["version"] if side == "peer" else version
                print(f"run {number + 1} {side}: {speeds[side][-1]:.3f} pairs/s", file=sys.stderr)
        gap = None
        if config.loss_steps:
            curves = [run(c, config.loss_steps, config.loss_batch, "float32")["losses"] for c in (ours, peer)]
            gap = max(abs(a - b) for a, b in zip(*curves, strict=True))
    ratios = [a / b for a, b in zip(speeds["ours"], speeds["peer"], strict=True)]
    result = {
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ours": round(statistics.median(speeds["ours"]), 3),
        "peer": round(statistics.median(speeds["peer"]), 3),
        "peer_version": f"trl {version}",
        "loss_gap": gap,
        "unit": "pairs/s",
        "ours_memory_gb": round(memory["ours"], 2),
        "peer_memory_gb": round(memory["peer"], 2),
    }
    print(json.dumps(result))


def starting_model(base: str | None, folder: Path) -> str:
    """Writes `folder`/start, a reward model with a fresh head, from a prepared base model (None: SmolLM2)."""
    from rlhf.chat_format import load_tokenizer
    from rlhf.reward_model import new_reward_model

    if base is None:
        base = str(folder / "base")
        command = [sys.executable, "-m", "rlhf.base_models", "--source", "builtin:smollm2-135m-instruct"]
        subprocess.run([*command, "--output", base], check=True, stdout=subprocess.DEVNULL)
    tokenizer = load_tokenizer(base)
    new_reward_model(base, tokenizer, seed=0).save(folder / "start", tokenizer, mean=0.0, std=1.0)
    return str(folder / "start")


def tokens(start: str, data: str, max_length: int, needed: int | None) -> tuple[list[list[int]], list[list[int]]]:
    """Chosen and rejected sequences of the first `needed` pairs of the file (None: of all)."""
    from rlhf.chat_format import load_tokenizer
    from rlhf.data import load_pairs
    from rlhf.reward_data import encode_pairs

    pairs, _ = load_pairs(data)
    encoded = encode_pairs(load_tokenizer(start), pairs[:needed], max_length, 1.0)
    if needed and len(encoded) < needed:
        raise RunFailed(f"{data} has {len(encoded)} usable pairs, {needed} are needed: ask for fewer")
    sequences = [[[*group.prefix, *branch] for branch in group.branches] for group in encoded.groups]
    return [first for first, _ in sequences], [second for _, second in sequences]


def one_run(command: list[str], folder: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """One side, once, in a process of its own."""
    file = folder / "spec.json"
    file.write_text(json.dumps(spec))
    done = subprocess.run([*command, str(file)], stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    if done.returncode:
        raise RunFailed(f"{' '.join(command)} ended with {done.returncode}; what it said is above")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    run_cli(main)
