"""A PPO training whose model is sharded over two processes, started by test_train_policy.py in forked ones.

accelerate shards on accelerators only; here the same `fully_shard` is called on the CPU, so that rollouts, steps,
checkpoints and the saved model of a sharded run are tested without one.
"""

import sys

from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.optim import Optimizer

import rlhf.processes
from rlhf.config import run_cli
from rlhf.train_policy import main


class Sharded(rlhf.processes.Processes):
    @property
    def sharded(self) -> bool:
        return True

    def wrap(self, model: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        names = {parameter: name for name, parameter in model.named_parameters()}
        mesh = init_device_mesh("cpu", (self.count,))
        for trunk in (model.policy.base_model, model.reference.base_model, model.value_trunk):
            for layer in trunk.layers:
                fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        sharded = dict(model.named_parameters())
        for group in optimizer.param_groups:
            group["params"] = [sharded[names[parameter]] for parameter in group["params"]]
        return model, optimizer


def run(arguments: list[str]) -> None:
    """The command, sharded."""
    rlhf.processes.Processes = Sharded  # type: ignore[misc]
    sys.argv = ["train_policy", *arguments]
    run_cli(main)
