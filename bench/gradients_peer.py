"""Loss and gradient of the first step of a TRL trainer on given tokens, in TRL's own environment; the loss as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    RLOOConfig,
    RLOOTrainer,
    SFTConfig,
    SFTTrainer,
)


class FirstStep:
    """Keeps what the first step has computed, before the optimiser or the clipping of gradients."""

    loss: float | None = None

    def training_step(self, model: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        found: torch.Tensor = super().training_step(model, *args, **kwargs)  # type: ignore[misc]
        assert self.loss is None
        self.loss = float(found)
        self.gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        return found

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


class Given:
    """Prompts and responses that are there already, in the order of the rows."""

    spec: dict[str, Any]

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return self.spec["prompts"], None, {}

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        responses = self.spec["responses"]
        return (responses, None) if isinstance(self, GRPOTrainer) else responses


class SFT(FirstStep, SFTTrainer):
    """TRL's."""


class DPO(FirstStep, DPOTrainer):
    """TRL's."""


class RLOO(Given, FirstStep, RLOOTrainer):
    """TRL's."""


class GRPO(Given, FirstStep, GRPOTrainer):
    """TRL's."""


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    model = AutoModelForCausalLM.from_pretrained(spec["policy"], dtype=torch.float32)
    reference = AutoModelForCausalLM.from_pretrained(spec["base"], dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(spec["base"])
    rows = spec.get("rows") or spec["responses"]
    settings = {
        "output_dir": spec["output"],
        "per_device_train_batch_size": len(rows),
        "max_steps": 1,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    } | spec["settings"]
    given: dict[str, Any] = {"model": model, "processing_class": tokenizer}
    if spec["method"] == "sft":
        trainer: Any = SFT(**given, args=SFTConfig(**settings, max_length=None), train_dataset=learned(rows))
    elif spec["method"] == "dpo":
        arguments = DPOConfig(**settings, max_length=None, beta=0.1)
        trainer = DPO(**given, ref_model=reference, args=arguments, train_dataset=Dataset.from_list(rows))
    else:
        kind, config = {"rloo": (RLOO, RLOOConfig), "grpo": (GRPO, GRPOConfig)}[spec["method"]]
        settings |= {"num_generations": 4, "max_completion_length": spec["max_new_tokens"], "temperature": 1.0}
        settings |= {"beta": spec["beta"], "epsilon": spec["epsilon"], "shuffle_dataset": False}
        prompts = Dataset.from_list([{"prompt": f"prompt {number}"} for number in range(len(rows) // 4)])
        given |= {"reward_funcs": lambda completions, **kwargs: spec["scores"]}
        trainer = kind(**given, args=config(**settings), train_dataset=prompts)
        trainer.spec = spec
        trainer.ref_model.load_state_dict(reference.state_dict())
    trainer.train()
    save_file(trainer.gradients, Path(spec["output"]) / "gradients.safetensors")
    print(json.dumps({"loss": trainer.loss, "version": trl.__version__}))


def learned(rows: list[dict[str, list[int]]]) -> Dataset:
    """Prompts and better responses, of which the response is learned."""
    return Dataset.from_list(
        [
            {
                "input_ids": [*row["prompt_ids"], *row["chosen_ids"]],
                "labels": [*([-100] * len(row["prompt_ids"])), *row["chosen_ids"]],
            }
            for row in rows
        ]
    )


if __name__ == "__main__":
    main()
