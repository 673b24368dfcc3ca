"""Direct preference optimisation, `python -m rlhf.train dpo`: from preference pairs to a policy in a folder."""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rlhf.config import to_dict
from rlhf.dpo_settings import DPOConfig
from rlhf.training_run import Prepared, train

REFERENCE = "reference.safetensors"  # in the output folder while the training is under way


def train_dpo(config: DPOConfig) -> dict[str, Any]:
    """Trains and returns the summary; see `rlhf.training_run.train`."""
    return train(config, prepare)


def prepare(config: DPOConfig, processes: Any) -> Prepared:
    """Trainer, and what finishes its work."""
    from rlhf.chat_format import load_tokenizer
    from rlhf.dpo_trainer import DPOTrainer, ReferredPairs
    from rlhf.model_config import position_limit
    from rlhf.pair_files import load_training_pairs
    from rlhf.policy_files import load_language_model
    from rlhf.runtime import pick_dtype, seed_everything

    seed_everything(config.seed)
    tokenizer = load_tokenizer(config.model)
    max_length = min(config.max_length, position_limit(config.model))
    learned, holdout = load_training_pairs(config, tokenizer, max_length, say=processes.main)
    parts = [learned, holdout.choosing if holdout else None, holdout.reporting if holdout else None]
    dtype = pick_dtype(config.dtype, processes.device)
    model = load_language_model(config, tokenizer, dtype, head_chunk=config.head_chunk).to(processes.device)
    model.find_sharing()
    pairs = [part.by_prompt() if part else None for part in parts]
    references = _references(config, model, [part for part in pairs if part], processes)
    referred = [ReferredPairs(part, references.pop(0)) if part else None for part in pairs]
    assert referred[0] is not None  # noqa: S101 - a file without a usable row was refused
    trainer = DPOTrainer(config, model, referred[0], referred[1], referred[2], processes)
    return trainer, partial(_finish, config, trainer, tokenizer)


def _references(config: DPOConfig, model: Any, parts: list[Any], processes: Any) -> list[Any]:
    """The start's log-probabilities of all responses: computed once, and kept for when the run is resumed.

    The model's own are those of the reference now, before anything was learned.
    """
    from safetensors.torch import load_file, save_file

    from rlhf.dpo_trainer import all_log_probs

    path = Path(config.output) / REFERENCE
    what = json.dumps([config.model, config.dtype, config.max_length, [part.digest() for part in parts]])
    names = [f"{place}-{hashlib.blake2b(what.encode(), digest_size=8).hexdigest()}" for place in range(len(parts))]
    if config.resume and path.exists():
        kept = load_file(path)
        if kept.keys() == set(names):
            return [kept[name] for name in names]
    if processes.main:
        print(f"the reference reads {sum(map(len, parts))} pairs", file=sys.stderr)
    budget = 2 * config.tokens_at_once(processes.device)
    found = [all_log_probs(model, model, part, processes, budget) for part in parts]
    if processes.main:
        beside = path.with_suffix(".part")
        save_file(dict(zip(names, found, strict=True)), beside)
        beside.replace(path)
    processes.wait()
    return found


def _finish(config: DPOConfig, trainer: Any, tokenizer: Any, seconds: float) -> dict[str, Any]:
    """Measures the trained model, saves it and returns the summary."""
    from rlhf.policy_files import dpo_card, save_policy

    output, state = Path(config.output), trainer.state
    seen = trainer.order.rows_until(state["step"])
    found = trainer.metrics_on(trainer.reporting) if trainer.reporting else {}
    summary: dict[str, Any] = {
        "steps": state["step"],
        "pairs": len(trainer.train.pairs),
        "train_loss": state["last_loss"],
        **{f"eval_{name}": value for name, value in found.items() if not isinstance(value, list)},
        "best_step": state["best_step"],
        "skipped_steps": state["skipped"],
        "seconds": round(seconds, 3),
        "pairs_per_second": round(seen / max(seconds, 1e-9), 3),
        "model": str(output / "model"),
    }
    settings = to_dict(config) | {"learning_rate": config.peak_learning_rate}
    save_policy(output, trainer.model, tokenizer, config, dpo_card(settings, summary), write=trainer.processes.main)
    if trainer.processes.main:
        (output / REFERENCE).unlink(missing_ok=True)
    trainer.processes.wait()
    return summary
