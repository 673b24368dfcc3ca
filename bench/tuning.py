"""SFT and DPO beside TRL's trainers, on the same tokens, order, model and settings: `make bench-sft`, `make bench-dpo`.

Both run in processes of their own, in turn, several times; gradient checkpointing is off on both sides, and DPO's
reference log-probabilities are computed before the clock starts. The peer cuts a step into the passes that suit it
best, tried first. Speed is in rows per second from the end of the first step on. A run in float32 compares the losses
of the first steps. The last line on stdout is JSON.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from bench.pairs import HERE, best_split, data_file, in_turn, one_run, report
from bench.peers import peer_python
from rlhf.config import Doc, Ge, Gt, RunFailed, parse_config

PEER = "trl==1.16.0"
Method = Literal["sft", "dpo"]


@dataclass(frozen=True)
class BenchConfig:
    """Measures a trainer beside TRL's."""

    data: Annotated[str, Doc("Preference pairs, HH-harmless by default; SFT takes the better response.")] = data_file(
        "hh_harmless.jsonl.gz"
    )
    model: Annotated[str | None, Doc("A prepared base model; none: SmolLM2-135M-Instruct from its wheel.")] = None
    runs: Annotated[int, Ge(1), Doc("Pairs of runs, ours and theirs in turn.")] = 3
    steps: Annotated[int, Ge(2), Doc("Steps in a run; the first is not timed.")] = 4
    batch: Annotated[int, Gt(0), Doc("Rows in a step.")] = 8
    loss_steps: Annotated[int, Ge(0), Doc("Steps of the run in float32 that compares losses; 0: none.")] = 10
    loss_batch: Annotated[int, Gt(0), Doc("Rows in a step of that run.")] = 2
    learning_rate: Annotated[float, Gt(0), Doc("Peak rate, cosine.")] = 1e-5
    max_length: Annotated[int, Gt(1), Doc("Longer prompts are cut on the left, for both.")] = 1024
    token_budget: Annotated[int | None, Gt(0), Doc("Ours: tokens computed at once; none: as it ships.")] = None
    dtype: Annotated[Literal["bfloat16", "float32"], Doc("Number format of the timed runs.")] = "bfloat16"
    device: Annotated[str, Doc("cpu or cuda.")] = "cpu"


def measure(method: Method, argv: list[str]) -> None:
    """The command line of one of the two."""
    config = parse_config(BenchConfig, argv, prog=f"python -m bench.{method}")
    commands = {
        "ours": [sys.executable, "-m", "bench.tuning_ours"],
        "peer": [str(peer_python(PEER, [PEER])), str(HERE / "tuning_peer.py")],
    }
    with tempfile.TemporaryDirectory(prefix=f"bench-{method}-") as name:
        folder = Path(name)
        base = config.model or prepared(folder)
        rows = tokens(base, config, max(config.steps * config.batch, config.loss_steps * config.loss_batch))
        shared = {
            "method": method,
            "model": base,
            "output": str(folder / "out"),
            "learning_rate": config.learning_rate,
            "token_budget": config.token_budget,
            "device": config.device,
        }

        def run(side: str, steps: int, batch: int, dtype: str, at_once: int) -> dict[str, Any]:
            sizes = {"steps": steps, "batch": batch, "dtype": dtype, "at_once": at_once, "rows": rows[: steps * batch]}
            return one_run(commands[side], folder, shared | sizes)

        found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}

        def rate(side: str, at_once: int, steps: int = config.steps) -> float:
            figures = run(side, steps, config.batch, config.dtype, at_once)
            found[side].append(figures)
            return (steps - 1) * config.batch / float(figures["ended"][-1] - figures["ended"][0])

        split = best_split(config.batch, lambda at_once: rate("peer", at_once, 2))
        found["peer"].clear()
        result = in_turn(lambda _: rate("ours", config.batch), lambda _: rate("peer", split), config.runs)
        gap = None
        if config.loss_steps:
            size = config.loss_batch
            curves = [run(side, config.loss_steps, size, "float32", size)["losses"] for side in commands]
            gap = max(abs(a - b) for a, b in zip(*curves, strict=True))
    report(
        {"bench": method, **result}
        | {
            "unit": "rows/s",
            "peer_version": f"trl {found['peer'][-1]['version']}",
            "peer_at_once": split,
            "loss_gap": gap,
            "dtype": config.dtype,
            **{f"{side}_memory_gb": round(max(one["memory"] for one in found[side]) / 1e9, 2) for side in found},
        }
    )


def prepared(folder: Path) -> str:
    """Writes `folder`/base, the built-in base model."""
    base = str(folder / "base")
    command = [sys.executable, "-m", "rlhf.base_models", "--source", "builtin:smollm2-135m-instruct", "--output", base]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return base


def tokens(base: str, config: BenchConfig, needed: int) -> list[dict[str, list[int]]]:
    """Prompt, better and other response of the first pairs of the file, as token ids under TRL's names."""
    from rlhf.chat_format import load_tokenizer
    from rlhf.data import load_pairs
    from rlhf.reward_data import encode_pairs

    pairs, _ = load_pairs(config.data)
    encoded = encode_pairs(load_tokenizer(base), pairs[: 2 * needed], config.max_length, 1.0).by_prompt()
    if len(encoded) < needed:
        raise RunFailed(f"{config.data} has {len(encoded)} usable pairs, {needed} are needed: ask for fewer")
    return [
        {"prompt_ids": [*group.prefix], "chosen_ids": [*group.branches[0]], "rejected_ids": [*group.branches[1]]}
        for group in encoded.groups[:needed]
    ]
