"""One run of our PPO on given prompts; prints its figures as one line of JSON."""

import json
import sys
from pathlib import Path

from bench.online_ours import set_up, shared_settings, tell, timed
from rlhf.batches import Group
from rlhf.policy_settings import PolicyConfig
from rlhf.ppo_trainer import PPOTrainer
from rlhf.rollouts import Task
from rlhf.scorer import Response, Scorer
from rlhf.types import Messages


class ScoresAsSampled(Scorer):
    """Scores an unfinished response at its last token, as TRL does, and does not close it first."""

    def _group(self, messages: Messages, sample: Response) -> Group:
        return Group([], [[*sample.prompt_ids, *sample.response_ids]])


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    config = PolicyConfig(
        **shared_settings(spec),
        num_mini_batches=spec["mini_batches"],
        num_ppo_epochs=spec["epochs"],
        value_model="separate",
        max_approx_kl=None,
    )
    parts = set_up(spec, config, "separate", ScoresAsSampled)
    trainer = parts.trainer(PPOTrainer, [Task([], ids, seed=0) for ids in spec["prompt_ids"]])
    began, ended, metrics = timed(trainer, config.updates)
    tell(began=began, ended=ended, metrics=metrics)


if __name__ == "__main__":
    main()
