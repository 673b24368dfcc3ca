"""One run of our reward trainer on given tokens; prints its figures as one line of JSON."""

import json
import resource
import sys
import time
from pathlib import Path

from rlhf.runtime import set_threads

set_threads()

import torch  # noqa: E402

from rlhf.batches import group_sequences  # noqa: E402
from rlhf.chat_format import load_tokenizer  # noqa: E402
from rlhf.processes import Processes  # noqa: E402
from rlhf.reward_config import RewardConfig  # noqa: E402
from rlhf.reward_data import EncodedPairs  # noqa: E402
from rlhf.reward_files import new_reward_model  # noqa: E402
from rlhf.reward_trainer import RewardTrainer  # noqa: E402


class InOrder(RewardTrainer):
    """Takes the pairs as they are given: the same order on both sides."""

    def work(self, step: int) -> list[int]:
        size = self.config.train_batch_size
        return [index % len(self.train) for index in range((step - 1) * size, step * size)]


def encoded(chosen: list[list[int]], rejected: list[list[int]]) -> EncodedPairs:
    ones, zeros = torch.ones(len(chosen)), torch.zeros(len(chosen))
    groups = [group_sequences(pair) for pair in zip(chosen, rejected, strict=True)]
    return EncodedPairs(groups, ones, zeros, ones, torch.zeros(len(chosen), 2), 0, [])


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    data = encoded(spec["chosen_ids"], spec["rejected_ids"])
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
    model.find_layout(config.max_length)
    trainer = InOrder(config, model, data, None, processes)
    model.train()
    began, ended, losses = time.perf_counter(), [], []
    for step in range(1, spec["steps"] + 1):
        losses.append(trainer.step(step)["loss"])
        ended.append(time.perf_counter())
    differences: list[float] = []
    if "eval_chosen_ids" in spec:
        model.autocast = None  # measured in float32 on both sides
        scores = trainer.scores(encoded(spec["eval_chosen_ids"], spec["eval_rejected_ids"]))
        differences = (scores[:, 0] - scores[:, 1]).tolist()
    memory = (
        torch.cuda.max_memory_allocated()
        if spec["device"] != "cpu"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    result = {"began": began, "ended": ended, "losses": losses, "differences": differences, "memory": memory}
    print(json.dumps({**result, "version": "hone"}))


if __name__ == "__main__":
    main()
