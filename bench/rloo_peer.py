"""One run of TRL's RLOOTrainer on given conversations, in TRL's own environment; prints its figures as JSON."""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback
from trl import RLOOConfig, RLOOTrainer


class Clock(TrainerCallback):
    """The time when each update ended."""

    def __init__(self) -> None:
        self.ended: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ended.append(time.perf_counter())


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    tokenizer = AutoTokenizer.from_pretrained(spec["base"], padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(spec["base"], dtype=torch.float32)
    dtype = torch.bfloat16 if spec["dtype"] == "bfloat16" else torch.float32
    reward = AutoModelForSequenceClassification.from_pretrained(spec["reward"], dtype=dtype)
    clock = Clock()
    settings = RLOOConfig(
        output_dir=spec["output"],
        per_device_train_batch_size=spec["at_once"],
        gradient_accumulation_steps=spec["batch"] // spec["at_once"],
        num_generations=spec["num_generations"],
        max_completion_length=spec["max_new_tokens"],
        max_steps=spec["updates"],
        temperature=spec["temperature"],
        beta=spec["beta"],
        learning_rate=spec["learning_rate"],
        lr_scheduler_type="linear",
        adam_epsilon=1e-5,
        max_grad_norm=1.0,
        weight_decay=0.0,
        bf16=spec["dtype"] == "bfloat16",
        gradient_checkpointing=False,
        use_cpu=spec["device"] == "cpu",
        shuffle_dataset=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=spec["seed"],
    )
    trainer = RLOOTrainer(
        model=model,
        reward_funcs=reward,
        reward_processing_classes=AutoTokenizer.from_pretrained(spec["reward"]),
        args=settings,
        processing_class=tokenizer,
        train_dataset=Dataset.from_list([{"prompt": messages} for messages in spec["conversations"]]),
        callbacks=[clock],
    )
    trainer.train()
    if torch.cuda.is_available():
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rows = [row for row in trainer.state.log_history if "reward" in row]
    figures = {
        "ended": clock.ended,
        "scores": [row["reward"] for row in rows],
        "lengths": [row["completions/mean_length"] for row in rows],
        "memory": memory,
        "version": trl.__version__,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
