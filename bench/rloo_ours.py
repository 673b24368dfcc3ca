"""One run of our RLOO on given conversations; prints its figures as one line of JSON."""

import json
import sys
from pathlib import Path

from bench.online_ours import set_up, shared_settings, tell, timed
from rlhf.chat_format import encode_prompt
from rlhf.group_settings import RLOOConfig
from rlhf.group_trainer import RLOOTrainer
from rlhf.rollouts import Task


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    config = RLOOConfig(
        **shared_settings(spec), num_mini_batches=1, num_generations=spec["num_generations"], beta=spec["beta"]
    )
    parts = set_up(spec, config, "none")
    parts.model.find_sharing()
    tasks = [Task(messages, encode_prompt(parts.tokenizer, messages), seed=0) for messages in spec["conversations"]]
    _, ended, metrics = timed(parts.trainer(RLOOTrainer, tasks), config.updates)
    scores = [each["objective/scores"] for each in metrics]
    tell(ended=ended, scores=scores, lengths=[each["val/answer_tokens"] for each in metrics])


if __name__ == "__main__":
    main()
