"""Prompts as the ids that models read: cut to the room there is, and counted where a chat template refuses them.

It joins `chat_format` and `data`'s prompts, and knows no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from rlhf.chat_format import encode_prompt, fit_prompt
from rlhf.config import InputError
from rlhf.data import NAMED_LINES
from rlhf.types import Prompt

Reader = tuple[
    PreTrainedTokenizerBase, int | None
]  # who reads the prompts, and the most tokens of one; None: any number


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """A prompt as each reader's ids, and how many ids the first reader's have lost."""

    prompt: Prompt
    ids: list[list[int]]
    cut: int


def fit_prompts(
    prompts: Sequence[Prompt], readers: Sequence[Reader], *, max_bad_share: float, source: object
) -> tuple[list[FittedPrompt], str]:
    """The prompts that all readers take, and a sentence about the others, empty where there are none.

    Raises InputError, naming lines of `source`, where more than `max_bad_share` of them are refused, or all.
    """
    fitted: list[FittedPrompt] = []
    refused: list[tuple[int, str]] = []
    for prompt in prompts:
        try:
            each = [
                (encode_prompt(tokenizer, prompt.messages), 0)
                if room is None
                else fit_prompt(tokenizer, prompt.messages, room)
                for tokenizer, room in readers
            ]
        except InputError as error:
            refused.append((prompt.line, str(error)))
            continue
        fitted.append(FittedPrompt(prompt, [ids for ids, _ in each], each[0][1]))
    if not refused:
        return fitted, ""
    named = "; ".join(f"line {line}: {why}" for line, why in refused[:NAMED_LINES])
    more = f"; and {len(refused) - NAMED_LINES} more" if len(refused) > NAMED_LINES else ""
    said = f"{source}: {len(refused)} of {len(prompts)} prompts cannot be used ({named}{more})"
    if not fitted or len(refused) > max_bad_share * len(prompts):
        raise InputError(f"{said}; that is more than the share of {max_bad_share:g} that max_bad_share allows")
    return fitted, said


def prompt_room(context: int | None, max_new_tokens: int, max_prompt_tokens: int | None) -> int | None:
    """The longest prompt that leaves room for a response, in tokens; None where there is no bound."""
    if context is None:
        return max_prompt_tokens
    if max_new_tokens >= context:
        raise InputError(f"--max_new_tokens {max_new_tokens} leaves no room for a prompt in the context of {context}")
    room = context - max_new_tokens
    return room if max_prompt_tokens is None else min(max_prompt_tokens, room)


def unfinished_warning(unfinished: int, responses: int, max_new_tokens: int) -> str | None:
    """What to say where so many responses were cut off that most of what is learned or measured is about that."""
    if not responses or unfinished / responses < 0.5:
        return None
    return (
        f"warning: {unfinished / responses:.0%} of the responses ({unfinished} of {responses}) did not end within "
        f"{max_new_tokens} tokens; raise --max_new_tokens"
    )
