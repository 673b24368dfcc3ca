"""`python -m rlhf.train_reward`: from preference pairs to a reward model in a folder."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from rlhf.config import parse_config, run_cli, to_dict
from rlhf.reward_config import RewardConfig
from rlhf.training_run import Prepared, train


def main(argv: list[str]) -> None:
    """The command line; see `rlhf.config.run_cli` for how outcomes become exit codes."""
    config = parse_config(RewardConfig, argv, prog="python -m rlhf.train_reward")
    train_reward(config)


def train_reward(config: RewardConfig) -> dict[str, Any]:
    """Trains and returns the summary, which is also the last line on stdout and `summary.json` in the output folder.

    Raises InputError for settings or data that cannot be used, RunFailed where training goes wrong, Interrupted
    after a signal (with a checkpoint).
    """
    return train(config, prepare)


def prepare(config: RewardConfig, processes: Any) -> Prepared:
    """Trainer, and what finishes its work."""
    import torch

    from rlhf.adapters import add_lora
    from rlhf.chat_format import load_tokenizer
    from rlhf.model_config import position_limit
    from rlhf.pair_files import load_training_pairs
    from rlhf.reward_files import new_reward_model
    from rlhf.reward_trainer import RewardTrainer
    from rlhf.runtime import pick_dtype, seed_everything

    tokenizer = load_tokenizer(config.model)
    max_length = min(config.max_length, position_limit(config.model))
    train, holdout = load_training_pairs(config, tokenizer, max_length, say=processes.main)
    seed_everything(config.seed)
    dtype = pick_dtype(config.dtype, processes.device)
    model = new_reward_model(
        config.model,
        tokenizer,
        heads=config.heads,
        seed=config.seed,
        autocast=None if dtype == torch.float32 else dtype,
        attention=config.attn_implementation,
    )
    model.find_layout(max_length, share=config.share_prompts)
    peft_model = add_lora(model.hf, config.lora_r, config.lora_alpha, head="score") if config.use_peft else None
    if config.gradient_checkpointing:
        model.hf.activation_checkpointing_enable({"use_reentrant": False})
    trainer = RewardTrainer(config, model.to(processes.device), train, holdout, processes)
    return trainer, partial(_finish, config, trainer, tokenizer, peft_model)


def _finish(config: RewardConfig, trainer: Any, tokenizer: Any, peft_model: Any, seconds: float) -> dict[str, Any]:
    """Measures the trained model, saves it and returns the summary."""
    from rlhf.checkpoints import publish
    from rlhf.model_card import adapter_card, reward_card, with_attention
    from rlhf.model_files import save_adapter

    output = Path(config.output)
    found, mean, std = trainer.final_evaluation()
    state = trainer.state
    pairs_seen = trainer.order.rows_until(state["step"])
    summary: dict[str, Any] = {
        "steps": state["step"],
        "pairs": len(trainer.train),
        "train_loss": state["last_loss"],
        **{f"eval_{name}": value for name, value in (found or {}).items() if not isinstance(value, list)},
        "choosing_pairs": trainer.choosing_pairs,
        "best_step": state["best_step"],
        "skipped_steps": state["skipped"],
        "score_mean": mean,
        "score_std": std,
        "seconds": round(seconds, 3),
        "pairs_per_second": round(pairs_seen / max(seconds, 1e-9), 3),
        "model": str(output / "model"),
    }
    main = trainer.processes.main
    if main:
        for name in (".adapter.part", ".model.part"):  # what a killed run left
            shutil.rmtree(output / name, ignore_errors=True)
    settings = to_dict(config) | {"learning_rate": config.peak_learning_rate}
    readme = with_attention(reward_card(settings, summary, found), trainer.model.hf.config)
    if peft_model is not None:
        if main:
            save_adapter(peft_model, output / ".adapter.part", config.model, adapter_card(readme))
            publish(output / ".adapter.part", output / "adapter")
        peft_model.merge_and_unload()
    beside = output / ".model.part"
    trainer.model.save(beside, tokenizer, mean, std, write=main)
    if main:
        (beside / "README.md").write_text(readme, encoding="utf-8")
        publish(beside, output / "model")
    trainer.processes.wait()
    return summary


if __name__ == "__main__":
    run_cli(main)
