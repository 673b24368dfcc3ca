"""One run of TRL's PPOTrainer on given prompts, in TRL's own environment; prints its figures as one line of JSON."""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
)
from trl.experimental.ppo import PPOConfig, PPOTrainer


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
    dtype = torch.bfloat16 if spec["dtype"] == "bfloat16" else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(spec["base"], padding_side="left")
    policy, reference = (AutoModelForCausalLM.from_pretrained(spec["base"], dtype=dtype) for _ in range(2))
    reward, value = (AutoModelForSequenceClassification.from_pretrained(spec["reward"], dtype=dtype) for _ in range(2))
    clock = Clock()
    settings = PPOConfig(
        output_dir=spec["output"],
        # With accumulation TRL would take one optimiser step an epoch, not one a minibatch.
        per_device_train_batch_size=spec["batch"],
        gradient_accumulation_steps=1,
        num_mini_batches=spec["mini_batches"],
        num_ppo_epochs=spec["epochs"],
        total_episodes=spec["updates"] * spec["batch"],
        response_length=spec["max_new_tokens"],
        temperature=spec["temperature"],
        stop_token="eos",
        missing_eos_penalty=1.0,
        local_rollout_forward_batch_size=spec["batch"],
        learning_rate=spec["learning_rate"],
        adam_epsilon=1e-5,
        num_sample_generations=0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=spec["device"] == "cpu",
        save_strategy="no",
        report_to="none",
        logging_steps=1,
        seed=spec["seed"],
    )
    data = Dataset.from_dict({"input_ids": spec["prompt_ids"]})
    trainer = PPOTrainer(
        args=settings,
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=reward,
        value_model=value,
        train_dataset=data,
        eval_dataset=data,
        callbacks=[clock],
    )
    began = time.perf_counter()
    trainer.train()
    metrics = [row for row in trainer.state.log_history if "objective/kl" in row]
    if torch.cuda.is_available():
        memory = torch.cuda.max_memory_allocated()
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    version = f"trl {trl.__version__}"
    print(json.dumps({"began": began, "ended": clock.ended, "metrics": metrics, "memory": memory, "version": version}))


if __name__ == "__main__":
    main()
