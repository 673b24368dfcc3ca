"""PPO, `python -m rlhf.train ppo` or `python -m rlhf.train_policy`: a policy and its value model against a reward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlhf.config import parse_config, run_cli
from rlhf.online_run import prepare_online
from rlhf.policy_settings import PolicyConfig
from rlhf.training_run import Prepared, train

if TYPE_CHECKING:
    from rlhf.processes import Processes


def main(argv: list[str]) -> None:
    """The command line; see `rlhf.config.run_cli` for how outcomes become exit codes."""
    train_policy(parse_config(PolicyConfig, argv, prog="python -m rlhf.train_policy"))


def train_policy(config: PolicyConfig) -> dict[str, Any]:
    """Trains and returns the summary, which is also the last line on stdout and `summary.json` in the output folder.

    Raises InputError for settings or data that cannot be used, RunFailed where training goes wrong, Interrupted
    after a signal (with a checkpoint).
    """
    return train(config, prepare)


def prepare(config: PolicyConfig, processes: Processes) -> Prepared:
    """Trainer, and what finishes its work."""
    from rlhf.ppo_trainer import PPOTrainer

    return prepare_online("PPO", config, processes, PPOTrainer, value_model=config.value_model)


if __name__ == "__main__":
    run_cli(main)
