"""One run of our reward trainer on given tokens; prints its figures as one line of JSON."""

import json
import resource
import sys
import time
from pathlib import Path

from rlhf.runtime import set_threads

set_threads()

import torch  # noqa: E402

from rlhf.chat_format import load_tokenizer  # noqa: E402
from rlhf.processes import Processes  # noqa: E402
from rlhf.reward_batches import group_sequences  # noqa: E402
from rlhf.reward_config import RewardConfig  # noqa: E402
from rlhf.reward_data import EncodedPairs  # noqa: E402
from rlhf.reward_model import new_reward_model  # noqa: E402
from rlhf.reward_trainer import RewardTrainer  # noqa: E402


class InOrder(RewardTrainer):
    """Takes the pairs as they are given: the same order on both sides."""

    def pairs_of_step(self, step: int) -> list[int]:
        size = self.config.train_batch_size
        return list(range((step - 1) * size, step * size))


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    pairs = list(zip(spec["chosen_ids"], spec["rejected_ids"], strict=True))
    ones, zeros = torch.ones(len(pairs)), torch.zeros(len(pairs))
    data = EncodedPairs([group_sequences(pair) for pair in pairs], ones, zeros, ones, torch.zeros(len(pairs), 2), 0, [])
    config = RewardConfig(
        model=spec["model"],
        data="",
        output=spec["output"],
        train_batch_size=spec["batch"],
        max_steps=spec["steps"],
        learning_rate=spec["learning_rate"],
        token_budget=spec["token_budget"],
    )
    processes = Processes(spec["device"])
    autocast = torch.bfloat16 if spec["dtype"] == "bfloat16" else None
    model = new_reward_model(spec["model"], load_tokenizer(spec["model"]), autocast=autocast).to(processes.device)
    model.probe_sharing(config.max_length)
    trainer = InOrder(config, model, data, None, processes)
    model.train()
    ended, losses = [], []
    for step in range(1, spec["steps"] + 1):
        losses.append(trainer.run_step(step)["loss"])
        ended.append(time.perf_counter())
    memory = (
        torch.cuda.max_memory_allocated()
        if spec["device"] != "cpu"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    print(json.dumps({"ended": ended, "losses": losses, "memory": memory, "version": "hone"}))


if __name__ == "__main__":
    main()
