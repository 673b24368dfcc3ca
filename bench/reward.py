"""`make bench-reward`: reward training beside TRL's RewardTrainer, on the same tokens, order, model and settings.

Both run in processes of their own, in turn, several times; gradient checkpointing is off on both sides. The peer cuts a
step into the passes that suit it best, tried first. Speed is in pairs per second from the end of the first step on. A
run in float32 compares the losses of the first steps. The last line on stdout is JSON.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from bench.flops import TRAINED, share, trunk_weights
from bench.pairs import HERE, best_split, data_file, in_turn, one_run, report
from bench.peers import peer_python
from rlhf.config import Doc, Ge, Gt, RunFailed, parse_config, run_cli

PEER = "trl==1.16.0"


@dataclass(frozen=True)
class BenchConfig:
    """Measures reward training beside TRL's."""

    data: Annotated[str, Doc("Preference pairs, HH-harmless by default.")] = data_file("hh_harmless.jsonl.gz")
    model: Annotated[str | None, Doc("A prepared base model; none: SmolLM2-135M-Instruct from its wheel.")] = None
    runs: Annotated[int, Ge(1), Doc("Pairs of runs, ours and theirs in turn.")] = 5
    steps: Annotated[int, Ge(2), Doc("Steps in a run; the first is not timed.")] = 4
    batch: Annotated[int, Gt(0), Doc("Pairs in a step.")] = 8
    loss_steps: Annotated[int, Ge(0), Doc("Steps of the run in float32 that compares losses; 0: none.")] = 20
    loss_batch: Annotated[int, Gt(0), Doc("Pairs in a step of that run.")] = 2
    learning_rate: Annotated[float, Gt(0), Doc("Peak rate, cosine.")] = 2e-5
    max_length: Annotated[int, Gt(1), Doc("Longer prompts are cut on the left, for both.")] = 1024
    token_budget: Annotated[int | None, Gt(0), Doc("Ours: tokens computed at once; none: as it ships.")] = None
    dtype: Annotated[Literal["bfloat16", "float32"], Doc("Number format of the timed runs.")] = "bfloat16"
    device: Annotated[str, Doc("cpu or cuda.")] = "cpu"
    peak: Annotated[float | None, Gt(0), Doc("The device's TFLOP/s in this format; none: no share is told.")] = None


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

        def run(command: list[str], steps: int, batch: int, dtype: str, at_once: int) -> dict[str, Any]:
            count = steps * batch
            pairs = {"chosen_ids": chosen[:count], "rejected_ids": rejected[:count]}
            output = str(folder / "out")
            sizes = {"steps": steps, "batch": batch, "at_once": at_once, "dtype": dtype, "output": output}
            return one_run(command, folder, {**spec, **sizes, **pairs, "model": start})

        found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}

        def rate(side: str, command: list[str], at_once: int, steps: int = config.steps) -> float:
            figures = run(command, steps, config.batch, config.dtype, at_once)
            found[side].append(figures)
            return (steps - 1) * config.batch / float(figures["ended"][-1] - figures["ended"][0])

        split = best_split(config.batch, lambda at_once: rate("peer", peer, at_once, 2))
        found["peer"].clear()
        result = in_turn(lambda _: rate("ours", ours, config.batch), lambda _: rate("peer", peer, split), config.runs)
        gap = None
        if config.loss_steps:
            size = config.loss_batch
            curves = [run(c, config.loss_steps, size, "float32", size)["losses"] for c in (ours, peer)]
            gap = max(abs(a - b) for a, b in zip(*curves, strict=True))
        timed = slice(config.batch, config.steps * config.batch)
        tokens_a_pair, computed = sizes_of(chosen[timed], rejected[timed])
        weights = trunk_weights(start)
    report(
        result
        | {
            "tokens_per_s": {side: round(result[side] * tokens_a_pair, 1) for side in found},
            "peak_share": config.peak
            and {
                "ours": share(TRAINED * weights * result["ours"] * computed, config.peak),
                "peer": share(TRAINED * weights * result["peer"] * tokens_a_pair, config.peak),
            },
            "peer_version": f"trl {found['peer'][-1]['version']}",
            "peer_at_once": split,
            "loss_gap": gap,
            "unit": "pairs/s",
            "ours_memory_gb": round(max(one["memory"] for one in found["ours"]) / 1e9, 2),
            "peer_memory_gb": round(max(one["memory"] for one in found["peer"]) / 1e9, 2),
        }
    )


def starting_model(base: str | None, folder: Path) -> str:
    """Writes `folder`/start, a reward model with a fresh head, from a prepared base model (None: SmolLM2)."""
    from rlhf.chat_format import load_tokenizer
    from rlhf.reward_files import new_reward_model

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


def sizes_of(chosen: list[list[int]], rejected: list[list[int]]) -> tuple[float, float]:
    """Mean tokens of a pair: of both its sequences, and with what they begin with counted once, as ours computes it."""
    from rlhf.batches import group_sequences

    pairs = list(zip(chosen, rejected, strict=True))
    both = statistics.fmean(len(one) + len(other) for one, other in pairs)
    return both, statistics.fmean(len(group_sequences(pair)) for pair in pairs)


if __name__ == "__main__":
    run_cli(main)
