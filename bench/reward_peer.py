"""One run of TRL's RewardTrainer on given tokens, in TRL's own environment; prints its figures as one line of JSON."""

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
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback
from trl import RewardConfig, RewardTrainer


class Clock(TrainerCallback):
    """The time when each step ended."""

    def __init__(self) -> None:
        self.ended: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ended.append(time.perf_counter())


class InOrder(RewardTrainer):
    """Takes the pairs as they are given: the same order on both sides."""

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    model = AutoModelForSequenceClassification.from_pretrained(spec["model"], dtype=torch.float32)
    clock = Clock()
    settings = RewardConfig(
        output_dir=spec["output"],
        per_device_train_batch_size=spec["at_once"],
        gradient_accumulation_steps=spec["batch"] // spec["at_once"],
        max_steps=spec["steps"],
        learning_rate=spec["learning_rate"],
        lr_scheduler_type="cosine",
        adam_epsilon=1e-5,
        max_grad_norm=1.0,
        weight_decay=0.0,
        center_rewards_coefficient=0.01,
        bf16=spec["dtype"] == "bfloat16",
        gradient_checkpointing=False,
        use_cpu=spec["device"] == "cpu",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        max_length=None,
        seed=0,
    )
    trainer = InOrder(
        model=model,
        args=settings,
        processing_class=AutoTokenizer.from_pretrained(spec["model"]),
        train_dataset=Dataset.from_dict({"chosen_ids": spec["chosen_ids"], "rejected_ids": spec["rejected_ids"]}),
        callbacks=[clock],
    )
    began = time.perf_counter()
    trainer.train()
    differences: list[float] = []
    held_out = list(zip(spec.get("eval_chosen_ids", []), spec.get("eval_rejected_ids", []), strict=True))
    with torch.no_grad():
        for start in range(0, len(held_out), spec["at_once"]):
            pairs = [{"chosen_ids": a, "rejected_ids": b} for a, b in held_out[start : start + spec["at_once"]]]
            batch = {name: tensor.to(model.device) for name, tensor in trainer.data_collator(pairs).items()}
            chosen, rejected = model.eval()(**batch).logits.squeeze(-1).chunk(2)  # in float32, as ours
            differences += (chosen - rejected).tolist()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    memory = (
        torch.cuda.max_memory_allocated()
        if spec["device"] != "cpu"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    result = {
        "began": began,
        "ended": clock.ended,
        "losses": losses,
        "differences": differences,
        "memory": memory,
        "version": trl.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
