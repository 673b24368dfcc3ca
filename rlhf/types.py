"""The records that the stages of learning hand to each other: conversations, preference pairs, prompts, samples.

This module knows no file format (`rlhf.data`), no tokenizer (`rlhf.chat_format`) and no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]
Strategy = Literal["greedy", "stochastic", "mixed"]


class Message(TypedDict):
    """One turn of a conversation."""

    role: Role
    content: str


Messages = list[Message]


def user_message(text: str) -> Messages:
    """A conversation of one user turn: how a plain text prompt is read everywhere."""
    return [{"role": "user", "content": text}]


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two answers to one conversation and how much better the first was judged."""

    prompt: Messages
    chosen: str
    rejected: str
    preference: float = 1.0  # probability that `chosen` is better: 1 certain, 0.5 a tie, below 0.5 the other way
    margin: float = 0.0  # by how much the score of `chosen` should exceed that of `rejected` at least
    weight: float = 1.0  # of this pair in the loss
    line: int = 0  # where it was read, counted from 1
    extra: Mapping[str, Any] = field(default_factory=dict)  # the other columns of its row


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that waits for an answer, with the row it came from."""

    messages: Messages
    line: int = 0
    row: Mapping[str, Any] = field(default_factory=dict)  # the whole row as read, `prompt` included


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer drawn from a policy, as tokens.

    `answer_ids` includes the end token where the model produced one (`finish_reason` "stop" by an end token), and
    `logprobs` has one entry for each of `answer_ids`: the natural log-probability of that token under
    softmax(logits / temperature) before any truncation or penalty (temperature 1 for greedy answers), taken at the
    moment it was drawn.
    """

    prompt_ids: list[int]
    answer_ids: list[int]
    logprobs: list[float]
    finish_reason: FinishReason
    text: str  # without the end token, cut before a stop string
    seed: int
    prompt_index: int = 0
    answer_index: int = 0
    ended: bool = False  # the last of `answer_ids` is an end token
