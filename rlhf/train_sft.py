"""Supervised fine-tuning, `python -m rlhf.train sft`: from demonstrations to a policy in a folder."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from rlhf.config import to_dict
from rlhf.sft_settings import SFTConfig
from rlhf.training_run import Prepared, train

LEAST = 8  # demonstrations in each half of a holdout; with fewer the last step is taken


def train_sft(config: SFTConfig) -> dict[str, Any]:
    """Trains and returns the summary; see `rlhf.training_run.train`."""
    return train(config, prepare)


def prepare(config: SFTConfig, processes: Any) -> Prepared:
    """Trainer, and what finishes its work."""
    from rlhf.batches import Group
    from rlhf.chat_format import load_tokenizer
    from rlhf.data import NO_HOLDOUT, choosing_half, prompt_key, split_by_prompt
    from rlhf.demonstrations import encode_demonstrations, load_demonstrations
    from rlhf.model_config import position_limit, rows_of
    from rlhf.policy_files import load_language_model
    from rlhf.runtime import pick_dtype, seed_everything
    from rlhf.sft_trainer import SFTTrainer
    from rlhf.types import Demonstration
    from rlhf.vocabulary import require_known

    rows, report = load_demonstrations(config.data, max_bad_share=config.max_bad_share)
    lines = [str(report)]
    held_out: list[Demonstration] = []
    to_choose: list[Demonstration] = []
    for path, part in ((config.eval_data, held_out), (config.choose_data, to_choose)):
        if path:
            found, read = load_demonstrations(path, max_bad_share=config.max_bad_share)
            part += found
            lines.append(str(read))
    if not config.eval_data:
        rows, held_out = split_by_prompt(rows, config.holdout, config.seed)
    held_out += to_choose
    keys = [prompt_key(row.prompt, config.seed) for row in held_out]
    chooses = {prompt_key(row.prompt, config.seed) for row in to_choose} or choosing_half(keys)
    choosing = [row for row, key in zip(held_out, keys, strict=True) if key in chooses]
    reporting = [row for row, key in zip(held_out, keys, strict=True) if key not in chooses]
    if min(len(choosing), len(reporting)) < LEAST:
        choosing, reporting = [], held_out
    seed_everything(config.seed)
    tokenizer = load_tokenizer(config.model)
    max_length = min(config.max_length, position_limit(config.model))
    parts = [
        encode_demonstrations(tokenizer, part, max_length, config.max_bad_share) if part else None
        for part in (rows, choosing, reporting)
    ]
    require_known([Group([], part.ids) for part in parts if part], rows_of(config.model))
    if processes.main:
        for name, encoded in zip(("training", "choosing the checkpoint", "reporting on it"), parts, strict=True):
            if encoded is not None:
                lines.append(f"{name}: {encoded.describe(max_length)}")
        if parts[2] is None:
            lines.append(NO_HOLDOUT)
        print("\n".join(lines), file=sys.stderr)
    dtype = pick_dtype(config.dtype, processes.device)
    model = load_language_model(config, tokenizer, dtype, head_chunk=config.head_chunk).to(processes.device)
    learned = parts[0]
    assert learned is not None  # noqa: S101 - a file without a usable row was refused
    trainer = SFTTrainer(config, model, learned, parts[1], parts[2], processes)
    return trainer, partial(_finish, config, trainer, tokenizer)


def _finish(config: SFTConfig, trainer: Any, tokenizer: Any, seconds: float) -> dict[str, Any]:
    """Measures the trained model, saves it and returns the summary."""
    from rlhf.policy_files import save_policy, sft_card

    output, state = Path(config.output), trainer.state
    seen = trainer.order.rows_until(state["step"])
    summary: dict[str, Any] = {
        "steps": state["step"],
        "demonstrations": len(trainer.train),
        "train_loss": state["last_loss"],
        **(trainer.loss_on(trainer.reporting) if trainer.reporting else {}),
        "best_step": state["best_step"],
        "skipped_steps": state["skipped"],
        "seconds": round(seconds, 3),
        "demonstrations_per_second": round(seen / max(seconds, 1e-9), 3),
        "model": str(output / "model"),
    }
    settings = to_dict(config) | {"learning_rate": config.peak_learning_rate}
    save_policy(output, trainer.model, tokenizer, config, sft_card(settings, summary), write=trainer.processes.main)
    trainer.processes.wait()
    return summary
