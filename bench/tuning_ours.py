"""One run of our SFT or DPO trainer on given tokens; prints its figures as one line of JSON."""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from rlhf.runtime import keep_memory, set_threads

set_threads()
keep_memory()

import torch  # noqa: E402

from rlhf.batches import Group  # noqa: E402
from rlhf.chat_format import load_tokenizer  # noqa: E402
from rlhf.demonstrations import Sequences  # noqa: E402
from rlhf.dpo_settings import DPOConfig  # noqa: E402
from rlhf.dpo_trainer import DPOTrainer, ReferredPairs, all_log_probs  # noqa: E402
from rlhf.epoch_trainer import EpochTrainer  # noqa: E402
from rlhf.policy_files import load_language_model  # noqa: E402
from rlhf.processes import Processes  # noqa: E402
from rlhf.reward_data import EncodedPairs  # noqa: E402
from rlhf.sft_settings import SFTConfig  # noqa: E402
from rlhf.sft_trainer import SFTTrainer  # noqa: E402


def dpo(spec: dict[str, Any], settings: dict[str, Any], dtype: torch.dtype, processes: Processes) -> DPOTrainer:
    config = DPOConfig(**settings, data="")
    model = load_language_model(config, load_tokenizer(config.model), dtype).to(processes.device)
    model.find_sharing()
    rows = spec["rows"]
    groups = [Group(row["prompt_ids"], [row["chosen_ids"], row["rejected_ids"]]) for row in rows]
    ones, zeros = torch.ones(len(rows)), torch.zeros(len(rows))
    lengths = torch.tensor([[len(branch) for branch in group.branches] for group in groups])
    pairs = EncodedPairs(groups, ones, zeros, ones, lengths, 0, [])
    reference = all_log_probs(model, model, pairs, processes, 2 * config.tokens_at_once(processes.device))
    return DPOTrainer(config, model, ReferredPairs(pairs, reference), None, None, processes)


def sft(spec: dict[str, Any], settings: dict[str, Any], dtype: torch.dtype, processes: Processes) -> SFTTrainer:
    config = SFTConfig(**settings, data="")
    model = load_language_model(config, load_tokenizer(config.model), dtype).to(processes.device)
    ids = [[*row["prompt_ids"], *row["chosen_ids"]] for row in spec["rows"]]
    learned = [list(range(len(row["prompt_ids"]), len(full))) for row, full in zip(spec["rows"], ids, strict=True)]
    return SFTTrainer(config, model, Sequences(ids, learned, 0, []), None, None, processes)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    settings = {
        "model": spec["model"],
        "output": spec["output"],
        "train_batch_size": spec["batch"],
        "max_steps": spec["steps"],
        "learning_rate": spec["learning_rate"],
        "token_budget": spec["token_budget"],
        "use_peft": False,
    }
    processes = Processes(spec["device"])
    dtype = torch.bfloat16 if spec["dtype"] == "bfloat16" else torch.float32
    trainer: EpochTrainer = {"dpo": dpo, "sft": sft}[spec["method"]](spec, settings, dtype, processes)
    began, ended, losses = time.perf_counter(), [], []
    for step in range(1, spec["steps"] + 1):
        rows = list(range((step - 1) * spec["batch"], step * spec["batch"]))  # the same order on both sides
        losses.append(trainer.learn(step, rows)["loss"])
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        ended.append(time.perf_counter())
    if torch.cuda.is_available():
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"began": began, "ended": ended, "losses": losses, "memory": memory, "version": "hone"}))


if __name__ == "__main__":
    main()
