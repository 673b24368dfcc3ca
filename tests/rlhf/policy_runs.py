"""Small trainings of a policy, in this process and in others: what their tests share."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from tests.ports import free_port

SMALL = {
    "total_episodes": 64, "batch_size": 16, "num_mini_batches": 2, "num_ppo_epochs": 2, "max_new_tokens": 12,
    "learning_rate": 3e-3, "eval_steps": 2, "eval_size": 8, "dtype": "float32", "adaptive_kl": True,
    "use_peft": False, "value_model": "separate",
}  # fmt: skip


def make_folders(root: Path, base: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """The settings that name a base policy, a reward model and prompts, the latter two made in `root`."""
    torch.manual_seed(0)
    reward = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    reward.save_pretrained(root / "reward")
    tokenizer.save_pretrained(root / "reward")
    (root / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"say word {i}"}) + "\n" for i in range(40)))
    return {"model": str(base), "reward": str(root / "reward"), "prompts": str(root / "prompts.jsonl")}


def metrics(output: Path) -> list[dict[str, Any]]:
    """All lines of metrics.jsonl without the times, which differ from run to run."""
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def smooth(row: dict[str, Any]) -> dict[str, Any]:
    """Without the clip fractions: they count, so a rounding error may move them by a whole token."""
    return {name: value for name, value in row.items() if "clipfrac" not in name}


def command(folders: dict[str, str], output: Path, *more: str, settings: Mapping[str, Any] = SMALL) -> list[str]:
    settings = {**folders, "output": output, **settings}
    return [*(f"--{name}={value}" for name, value in settings.items()), *more]


def in_child(arguments: list[str], run: Callable[[list[str]], None], environment: dict[str, str] | None = None) -> Any:
    """The command in a process of its own, forked, so that it need not import torch again.

    Where this one has used a GPU a fork of it could not, and is a fresh process.
    """
    kind = "spawn" if torch.cuda.is_initialized() else "fork"
    process = multiprocessing.get_context(kind).Process(target=child, args=(arguments, run, environment or {}))
    process.start()
    return process


def child(arguments: list[str], run: Callable[[list[str]], None], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    PartialState._reset_state()  # a fork has that of the process that it came from, where a test had one
    run(arguments)


def start_two(arguments: list[str], run: Callable[[list[str]], None]) -> list[Any]:
    """The command in two processes that work together, as a launcher would start them."""
    port = free_port()
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    return [in_child(arguments, run, {**shared, "RANK": rank, "LOCAL_RANK": rank}) for rank in ("0", "1")]


def run_in_two(arguments: list[str], run: Callable[[list[str]], None], code: int = 0) -> None:
    """The command in two processes, both of which end with `code`."""
    for process in start_two(arguments, run):
        process.join(120)
        assert process.exitcode == code


def wait_for_lines(process: Any, output: Path, count: int) -> None:
    """Until metrics.jsonl has so many lines; `process` has to be running meanwhile."""
    deadline = time.monotonic() + 120
    path = output / "metrics.jsonl"
    while not path.exists() or path.read_text().count("\n") < count:
        assert process.is_alive(), "the training ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.005)
