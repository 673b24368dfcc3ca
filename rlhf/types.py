"""The records that the stages of learning hand to each other: conversations, preference pairs, prompts, samples.

This module knows no file format (`rlhf.data`), no tokenizer (`rlhf.chat_format`) and no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal, TypedDict

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]
LEAST_TEMPERATURE = 0.01  # logits divided by less leave the range of single precision
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
    """Two responses to one conversation and how much better the first was judged."""

    prompt: Messages
    chosen: str
    rejected: str
    preference: float = 1.0  # probability that `chosen` is better: 1 certain, 0.5 a tie, below 0.5 the other way
    margin: float = 0.0  # by how much the score of `chosen` should exceed that of `rejected` at least
    weight: float = 1.0  # of this pair in the loss
    line: int = 0  # where it was read, counted from 1
    extra: Mapping[str, Any] = field(default_factory=dict)  # the other columns of its row


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A conversation to imitate: the assistant's turns from `messages[first]` on are learned from."""

    messages: Messages
    first: int
    line: int = 0  # where it was read, counted from 1

    @property
    def prompt(self) -> Messages:
        """What stands before the first turn that is learned from."""
        return self.messages[: self.first]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that waits for a response, with the row it came from."""

    messages: Messages
    line: int = 0
    row: Mapping[str, Any] = field(default_factory=dict)  # the whole row as read, `prompt` included

    @property
    def prompt(self) -> Messages:
        """The messages, by the name they have in a pair."""
        return self.messages


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How the tokens of a response are sampled. Temperature 0 takes the most probable token (greedy).

    Order: repetition penalty (over prompt and response), temperature, top-k, top-p, min-p, as in transformers.
    """

    temperature: float = 1.0
    top_p: float = 1.0  # 1 keeps all
    top_k: int = 0  # 0 keeps all
    min_p: float = 0.0  # keep tokens at least this times as probable as the most probable one
    repetition_penalty: float = 1.0  # above 1 makes tokens that occurred less likely
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()  # texts that end a response; the response is cut before them

    def __post_init__(self) -> None:
        if not (self.temperature == 0 or LEAST_TEMPERATURE <= self.temperature < inf):
            raise ValueError(f"temperature must be 0, for the most probable token, or at least {LEAST_TEMPERATURE}")
        if self.top_k < 0 or not 0 < self.top_p <= 1 or not 0 <= self.min_p <= 1:
            raise ValueError("top_k must not be negative, top_p in (0, 1], min_p in [0, 1]")
        if not 0.1 <= self.repetition_penalty <= 10:
            raise ValueError("repetition_penalty must be between 0.1 and 10")
        if self.max_new_tokens < 1 or "" in self.stop:
            raise ValueError("max_new_tokens must be positive, stop strings not empty")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    @property
    def truncates(self) -> bool:
        """Whether some tokens can never be sampled."""
        return not self.greedy and (self.top_k > 0 or self.top_p < 1 or self.min_p > 0)


@dataclass(frozen=True, slots=True)
class Draw:
    """How one response is sampled: the same draw of the same prompt gives the same response (float32, same model)."""

    settings: SamplingSettings
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One response sampled from a policy, as tokens.

    `response_ids` includes the end token where the model produced one (`finish_reason` "stop" by an end token), and
    `logprobs` has one entry for each of `response_ids`: the natural log-probability of that token under
    softmax(logits / temperature) before any truncation or penalty (temperature 1 for greedy responses), taken at the
    moment it was sampled.
    """

    prompt_ids: list[int]
    response_ids: list[int]
    logprobs: list[float]
    finish_reason: FinishReason
    text: str  # without the end token, cut before a stop string
    draw: Draw
    ended: bool  # the last of `response_ids` is an end token
