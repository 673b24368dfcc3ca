"""What files hold: prompts, responses to compare, what people judged of them, demonstrations. Knows no file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

MAX_RAW = 100_000
Role = Literal["system", "user", "assistant"]
Outcome = Literal["first", "second", "tie", "both_bad"]


class Message(TypedDict):
    """One turn."""

    role: Role
    content: str


Messages = list[Message]


class BadRow(ValueError):
    """This row cannot be read; the message is a sentence that says why."""


class Unreadable(ValueError):
    """This file or folder cannot be read; the message is a sentence that says why and what to do."""


class Octets(str):
    """Bytes that are no text, in base64: good to be kept, not to be read."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file as it stands there."""

    line: int  # the line in text (from 1), the number of the row elsewhere
    values: Mapping[str, Any]
    raw: str | None = None  # its text; None where the file is not text
    tabular: bool = False  # all values are text, an absent one is None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that gives no record, why, and its text to give back."""

    line: int
    reason: str
    raw: str = ""  # bytes that could not be decoded are written as \\udc80 to \\udcff; cut after MAX_RAW characters

    rest: bool = False  # whether what comes after it could not be read either

    def __post_init__(self) -> None:
        raw = self.raw[:MAX_RAW].replace("\0", "\\0").encode(errors="backslashreplace").decode()
        object.__setattr__(self, "raw", raw)

    def __str__(self) -> str:
        return f"Line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Response:
    """What was written to a prompt."""

    text: str
    author: str | None = None  # the model or person that the file names
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one annotator, or several together, said about the responses of a record.

    Either `outcome` (of two responses) or `ranks` (of any number) is set.
    """

    outcome: Outcome | None = None
    ranks: tuple[int, ...] | None = None  # of each response in its order; 1 is the best, equal ranks are a tie
    question: str = ""  # the file's name for it; empty for the main one
    annotator: str | None = None
    strength: float | None = None  # how much better, as the file says it: from 0 to `strength_of`
    strength_of: float | None = None
    probability: float | None = None  # that the first response is better, where the file says more than an outcome
    raters: int | None = None
    source: str | None = None  # what it was derived from, where nobody stated it as such: a score's name
    date: str | None = None
    rationale: str | None = None

    def __post_init__(self) -> None:
        if self.annotator is not None and not self.annotator.strip():
            object.__setattr__(self, "annotator", None)  # nothing of such a name would be seen
        if self.strength_of is None:
            return
        if self.strength_of <= 0 or (self.strength or 0) < 0:
            raise BadRow(f"There is no strength of {self.strength or 0:g} on a scale of {self.strength_of:g}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRecord:
    """A conversation that waits for a response."""

    line: int
    messages: Messages
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRecord:
    """A conversation with two or more responses, judged or not."""

    line: int
    messages: Messages
    responses: tuple[Response, ...]
    judgements: tuple[Judgement, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationRecord:
    """A conversation and the one response that it should get."""

    line: int
    messages: Messages
    response: Response
    metadata: dict[str, Any] = field(default_factory=dict)


Record = PromptRecord | ComparisonRecord | DemonstrationRecord
