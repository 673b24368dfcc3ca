"""`make bench-rloo`: RLOO beside TRL's RLOOTrainer, on the same models, prompts and settings.

Both run in processes of their own, in turn, several times; all weights are trained, gradient checkpointing is off on
both sides, and a reward model scores on both. The peer cuts an update into the passes that suit it best, tried first.
Speed is in episodes per second over whole updates after the first: rollouts and optimiser steps. Sampling is random on
both sides, so that losses differ: `score_gap` is the difference of the mean scores of the first update's responses.
The last line on stdout is JSON.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from bench import ppo
from bench.pairs import HERE, best_split, data_file, in_turn, one_run, report
from bench.peers import peer_python
from rlhf.config import Doc, Ge, Gt, parse_config, run_cli

PEER = "trl==1.16.0"


@dataclass(frozen=True)
class BenchConfig:
    """Measures RLOO beside TRL's."""

    prompts: Annotated[str, Doc("Prompts.")] = data_file("prompts.jsonl.gz")
    model: Annotated[str | None, Doc("A prepared base model; none: SmolLM2-135M-Instruct from its wheel.")] = None
    runs: Annotated[int, Ge(1), Doc("Pairs of runs, ours and theirs in turn.")] = 3
    updates: Annotated[int, Ge(2), Doc("Updates in a run; the first is not timed.")] = 3
    batch: Annotated[int, Gt(0), Doc("Responses in an update.")] = 16
    num_generations: Annotated[int, Ge(2), Doc("Responses to each prompt; divides the batch.")] = 4
    max_new_tokens: Annotated[int, Gt(0), Doc("Longest response.")] = 64
    max_prompt_tokens: Annotated[int, Gt(0), Doc("Longer prompts are left out.")] = 256
    temperature: Annotated[float, Gt(0), Doc("Of sampling and training.")] = 1.0
    beta: Annotated[float, Ge(0), Doc("Weight of the KL.")] = 0.05
    learning_rate: Annotated[float, Gt(0), Doc("Peak rate, linear decay.")] = 3e-6
    token_budget: Annotated[int | None, Gt(0), Doc("Ours: tokens computed at once; none: as it ships.")] = None
    dtype: Annotated[Literal["bfloat16", "float32"], Doc("Number format; weights are float32 on both sides.")] = (
        "bfloat16"
    )
    device: Annotated[str, Doc("cpu or cuda.")] = "cpu"


def main(argv: list[str]) -> None:
    config = parse_config(BenchConfig, argv, prog="python -m bench.rloo")
    commands = {
        "ours": [sys.executable, "-m", "bench.rloo_ours"],
        "peer": [str(peer_python(PEER, [PEER])), str(HERE / "rloo_peer.py")],
    }
    with tempfile.TemporaryDirectory(prefix="bench-rloo-") as name:
        folder = Path(name)
        ppo.write_models(config.model, folder)
        conversations = fitting(config, folder)
        found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}

        def rate(side: str, run: int, at_once: int, updates: int = config.updates) -> float:
            spec = {
                **{key: value for key, value in vars(config).items() if key not in ("prompts", "model", "runs")},
                "updates": updates,
                "at_once": at_once,
                "conversations": conversations[: updates * config.batch // config.num_generations],
                "base": str(folder / "base"),
                "reward": str(folder / "reward"),
                "output": str(folder / "out"),
                "seed": run,
            }
            figures = one_run(commands[side], folder, spec)
            found[side].append(figures)
            return (updates - 1) * config.batch / float(figures["ended"][-1] - figures["ended"][0])

        split = best_split(config.batch, lambda at_once: rate("peer", 99, at_once, 2))
        found["peer"].clear()
        result = in_turn(lambda run: rate("ours", run, config.batch), lambda run: rate("peer", run, split), config.runs)
    scores = {side: statistics.fmean(run["scores"][0] for run in found[side]) for side in found}
    tokens = {side: statistics.fmean(length for run in found[side] for length in run["lengths"]) for side in found}
    report(
        {"bench": "rloo", **result}
        | {
            "unit": "episodes/s",
            "peer_version": f"trl {found['peer'][-1]['version']}",
            "peer_at_once": split,
            "score_gap": abs(scores["ours"] - scores["peer"]),
            "tokens_per_response": {side: round(length, 1) for side, length in tokens.items()},
            "dtype": config.dtype,
            **{f"{side}_memory_gb": round(max(run["memory"] for run in found[side]) / 1e9, 2) for side in found},
        }
    )


def fitting(config: BenchConfig, folder: Path) -> list[Any]:
    """Conversations for all updates, of prompts that need not be cut."""
    from rlhf.chat_format import encode_prompt, load_tokenizer
    from rlhf.config import RunFailed
    from rlhf.data import load_prompts

    tokenizer = load_tokenizer(str(folder / "base"))
    prompts, _ = load_prompts(config.prompts)
    fit = [p.messages for p in prompts if len(encode_prompt(tokenizer, p.messages)) <= config.max_prompt_tokens]
    needed = config.updates * config.batch // config.num_generations
    if len(fit) < needed:
        raise RunFailed(f"{config.prompts} has {len(fit)} prompts that fit, {needed} are needed: lower --updates")
    return fit[:needed]


if __name__ == "__main__":
    run_cli(main)
