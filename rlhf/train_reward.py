"""`python -m rlhf.train_reward`: from preference pairs to a reward model in a folder."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
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
    from rlhf.data import load_pairs, split_by_prompt
    from rlhf.reward_data import encode_pairs
    from rlhf.reward_model import new_reward_model, position_limit
    from rlhf.reward_trainer import RewardTrainer
    from rlhf.runtime import pick_dtype, seed_everything

    pairs, report = load_pairs(config.data, max_bad_share=config.max_bad_share)
    reports, choosing = [report], None
    if config.eval_data:
        held_out, eval_report = load_pairs(config.eval_data, max_bad_share=config.max_bad_share)
        reports.append(eval_report)
        if config.choose_data:
            choosing, choose_report = load_pairs(config.choose_data, max_bad_share=config.max_bad_share)
            reports.append(choose_report)
            held_out = [*held_out, *choosing]
    else:
        pairs, held_out = split_by_prompt(pairs, config.holdout, config.seed)
    tokenizer = load_tokenizer(config.model)
    max_length = min(config.max_length, position_limit(config.model))
    train = encode_pairs(tokenizer, pairs, max_length, config.max_bad_share)
    encoded, holdout = None, None
    if held_out:
        encoded = encode_pairs(tokenizer, held_out, max_length, config.max_bad_share)
        holdout = _split(config, encoded, held_out, choosing)
    if processes.main:
        for each in reports:
            print(each, file=sys.stderr)
        for name, data in (("training", train), ("holdout", encoded)):
            if data is not None:
                cut = f"{data.prompts_cut} prompts cut to {max_length} tokens"
                print(f"{name}: {len(data)} pairs, {cut}, {len(data.too_long)} too long left out", file=sys.stderr)
        if holdout is not None:
            print(_describe(holdout), file=sys.stderr)

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


def _split(config: RewardConfig, encoded: Any, held_out: Sequence[Any], choosing: Sequence[Any] | None) -> Any:
    """The holdout in two parts; the prompts of `choosing`, or without it half of all, are in the one that chooses."""
    from rlhf.data import choosing_half, prompt_key
    from rlhf.reward_data import split_holdout

    keys = [prompt_key(held_out[place].prompt, config.seed) for place in encoded.kept]
    chosen = choosing_half(keys) if choosing is None else {prompt_key(pair.prompt, config.seed) for pair in choosing}
    return split_holdout(encoded, keys, chosen.__contains__)


def _describe(holdout: Any) -> str:
    if holdout.choosing is None:
        return f"holdout: too few pairs for two parts; the last step is kept, and {len(holdout.reporting)} report on it"
    return f"holdout: {len(holdout.choosing)} pairs choose the checkpoint, {len(holdout.reporting)} others report on it"


def _finish(config: RewardConfig, trainer: Any, tokenizer: Any, peft_model: Any, seconds: float) -> dict[str, Any]:
    """Measures the trained model, saves it and returns the summary."""
    from rlhf.checkpoints import publish
    from rlhf.model_card import reward_card

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
    if peft_model is not None:
        if main:
            peft_model.save_pretrained(output / ".adapter.part")
            publish(output / ".adapter.part", output / "adapter")
        peft_model.merge_and_unload()
    beside = output / ".model.part"
    trainer.model.save(beside, tokenizer, mean, std, write=main)
    if main:
        settings = to_dict(config) | {"learning_rate": config.peak_learning_rate}
        (beside / "README.md").write_text(reward_card(settings, summary, found), encoding="utf-8")
        publish(beside, output / "model")
    trainer.processes.wait()
    return summary


if __name__ == "__main__":
    run_cli(main)
