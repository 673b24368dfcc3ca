"""One run of TRL's SFTTrainer or DPOTrainer on given tokens, in TRL's own environment; figures as JSON."""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer


class Clock(TrainerCallback):
    """The time when each step ended."""

    def __init__(self) -> None:
        self.ended: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ended.append(time.perf_counter())


class InOrder:
    """Takes the tokens as they are given, in the same order on both sides."""

    train_dataset: Dataset

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


class DPO(InOrder, DPOTrainer):
    """TRL's, on tokens."""


class SFT(InOrder, SFTTrainer):
    """TRL's, on tokens."""


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    model = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(spec["model"])
    settings = {
        "output_dir": spec["output"],
        "per_device_train_batch_size": spec["at_once"],
        "gradient_accumulation_steps": spec["batch"] // spec["at_once"],
        "max_steps": spec["steps"],
        "learning_rate": spec["learning_rate"],
        "lr_scheduler_type": "cosine",
        "adam_epsilon": 1e-5,
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "bf16": spec["dtype"] == "bfloat16",
        "gradient_checkpointing": False,
        "use_cpu": spec["device"] == "cpu",
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "max_length": None,
        "seed": 0,
    }
    clock = Clock()
    given: dict[str, Any] = {"model": model, "processing_class": tokenizer, "callbacks": [clock]}
    if spec["method"] == "dpo":
        arguments = DPOConfig(**settings, beta=0.1, precompute_ref_log_probs=True)
        trainer = DPO(**given, args=arguments, train_dataset=Dataset.from_list(spec["rows"]))
    else:
        rows = [
            {
                "input_ids": [*row["prompt_ids"], *row["chosen_ids"]],
                "labels": [*([-100] * len(row["prompt_ids"])), *row["chosen_ids"]],
            }
            for row in spec["rows"]
        ]
        trainer = SFT(**given, args=SFTConfig(**settings), train_dataset=Dataset.from_list(rows))
    began = time.perf_counter()
    trainer.train()
    if torch.cuda.is_available():
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    figures = {"began": began, "ended": clock.ended, "losses": losses, "memory": memory, "version": trl.__version__}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
