"""A reward training whose model is sharded over processes, started by test_train_reward.py with torchrun.

accelerate shards on accelerators only; here the same `fully_shard` is called on the CPU, so that steps, evaluation,
checkpoints and the saved model of a sharded run are tested without one.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.optim import Optimizer

import rlhf.processes
from rlhf.config import Interrupted, run_cli
from rlhf.reward_config import RewardConfig
from rlhf.train_reward import train_reward


class Sharded(rlhf.processes.Processes):
    def wrap(self, model: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        names = {parameter: name for name, parameter in model.named_parameters()}
        mesh = init_device_mesh("cpu", (self.count,))
        for layer in model.hf.base_model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        sharded = dict(model.named_parameters())
        for group in optimizer.param_groups:
            group["params"] = [sharded[names[parameter]] for parameter in group["params"]]
        return model, optimizer


def terminate_after_a_step(metrics: Path) -> None:
    while not metrics.exists() or not metrics.read_text():
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGTERM)


def main(argv: list[str]) -> None:
    """A run of which one process is told to stop; then the same run resumed."""
    settings: dict[str, Any] = json.loads(Path(argv[0]).read_text())
    rlhf.processes.Processes = Sharded  # type: ignore[misc]
    if os.environ["RANK"] == "1":
        metrics = Path(settings["output"]) / "metrics.jsonl"
        threading.Thread(target=terminate_after_a_step, args=[metrics], daemon=True).start()
    try:
        train_reward(RewardConfig(**settings))
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        train_reward(RewardConfig(**settings, resume=True))


if __name__ == "__main__":
    run_cli(main)
