"""The pairs of a training as its settings name them: read, encoded, and the holdout in two parts."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from rlhf.config import InputError
from rlhf.data import NO_HOLDOUT, choosing_half, load_pairs, prompt_key, split_as_said, split_by_prompt
from rlhf.model_config import rows_of
from rlhf.pair_settings import PairSettings
from rlhf.reward_data import EncodedPairs, HoldoutPairs, encode_pairs, split_holdout
from rlhf.types import PreferencePair
from rlhf.vocabulary import require_known


def load_training_pairs(
    config: PairSettings, tokenizer: PreTrainedTokenizerBase, max_length: int, *, say: bool
) -> tuple[EncodedPairs, HoldoutPairs | None]:
    """Pairs to train on and the holdout, if there is one; `say`: tell what became of the rows.

    Raises InputError for files that cannot be used.
    """
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
        pairs, held_out = split_as_said(pairs) or split_by_prompt(pairs, config.holdout, config.seed)
    train = encode_pairs(tokenizer, pairs, max_length, config.max_bad_share)
    if bool((train.preference == 0.5).all()):
        raise InputError(
            f"all {len(train)} pairs to train on are ties, which do not say what is better: add some with a preference"
        )
    encoded, holdout = None, None
    if held_out:
        encoded = encode_pairs(tokenizer, held_out, max_length, config.max_bad_share)
        holdout = _split(config, encoded, held_out, choosing)
    require_known([*train.groups, *(encoded.groups if encoded else ())], rows_of(config.model))
    if say:
        for each in reports:
            print(each, file=sys.stderr)
        for name, data in (("training", train), ("holdout", encoded)):
            if data is not None:
                print(f"{name}: {data.describe(max_length)}", file=sys.stderr)
        print(_describe(holdout), file=sys.stderr)
    return train, holdout


def _split(
    config: PairSettings,
    encoded: EncodedPairs,
    held_out: Sequence[PreferencePair],
    choosing: Sequence[PreferencePair] | None,
) -> HoldoutPairs:
    """The holdout in two parts; the prompts of `choosing`, else those whose rows say that they choose, else half of
    all, are in the one that chooses."""
    keys = [prompt_key(held_out[place].prompt, config.seed) for place in encoded.kept]
    if choosing is None:
        said = [pair for pair in held_out if pair.extra.get("chooses") in (True, "true")]
        choosing = said if 0 < len(said) < len(held_out) else None
    chosen = choosing_half(keys) if choosing is None else {prompt_key(pair.prompt, config.seed) for pair in choosing}
    return split_holdout(encoded, keys, chosen.__contains__)


def _describe(holdout: HoldoutPairs | None) -> str:
    if holdout is None:
        return NO_HOLDOUT
    if holdout.choosing is None:
        return f"holdout: too few pairs for two parts; the last step is kept, and {len(holdout.reporting)} report on it"
    return f"holdout: {len(holdout.choosing)} pairs choose the checkpoint, {len(holdout.reporting)} others report on it"
