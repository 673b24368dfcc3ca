"""What JSONB columns hold beside settings and label values: conversations, and what runs and people left behind.

They are dictionaries, checked when written and when read. Those that a trainer or an action fills name what the
platform reads, and keep whatever else there is.
"""

from typing import Literal

from pydantic import ConfigDict, JsonValue, with_config
from typing_extensions import TypedDict

_OPEN = ConfigDict(extra="allow")


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


Messages = list[Message]

Extra = dict[str, JsonValue]
"""Columns of an imported file that nothing else takes, by name: they are exported again."""

SampleDetails = dict[str, JsonValue]
"""What a trainer tells of one of its samples, beside the score."""


class Expected(TypedDict, total=False):
    """The right label of an attention check: the stored position of its best response, or of its worst."""

    best: int
    worst: int


class AskedText(TypedDict):
    """A question or a reason as it was asked."""

    id: str
    text: str


class Asked(TypedDict):
    """What was asked beside the guidelines, in one of their versions, as the settings had it: kept as plain values,
    since settings may have other fields by then."""

    questions: list[AskedText]
    reasons: list[AskedText]
    comment: str
    kinds: dict[str, dict[str, JsonValue]]


class Share(TypedDict):
    """How many labels a model agrees with, as a share with its 95% interval."""

    labels: int
    accuracy: float | None
    low: float
    high: float


class ConfidenceBin(Share):
    """The same for labels on which the model is about as sure as `confidence`."""

    confidence: float


# The same for labels whose preferred response is so many tokens longer; null has no bound.
LengthGroup = TypedDict(
    "LengthGroup",
    {"from": int | None, "to": int | None, "labels": int, "accuracy": float | None, "low": float, "high": float},
)


class AnnotatorShare(Share):
    """The same for one person's labels."""

    annotator_id: int


class Agreement(TypedDict):
    """How often two people agree, with its 95% interval."""

    comparisons: int
    share: float | None
    low: float
    high: float


class RaterNote(TypedDict):
    """What was known of an annotator when a snapshot was taken: attention checks, and whether they were paused."""

    passed: int
    missed: int
    paused: bool


class DeletedLabels(TypedDict):
    """Labels that a snapshot held and that were deleted with their person: how many, the hash of what it holds since,
    and whether all that it had held gave its content hash when the first of them went."""

    labels: int
    hash: str
    verified: bool


class Disputed(TypedDict):
    """A label that the model would have decided the other way, by so many points."""

    label_id: int
    gap: float


class Report(TypedDict):
    """How a reward model does against the labels there are: see `app.rewards.report`."""

    labels: int
    holdout: Share
    calibration: list[ConfidenceBin]
    by_length: list[LengthGroup]
    by_annotator: list[AnnotatorShare]
    agreement: Agreement
    disputed: list[Disputed]


class Score(TypedDict):
    """A reward model's score of a text, or why there is none."""

    score: float | None
    score_std: float | None
    error: str | None


ImportCounts = dict[str, int]
"""What an import has made (`prompts`, `pairs`, `labels`), what was there already (`duplicates`), what it `refused`, and
what the file has beside what was asked for (`responses_left_out`, `labels_left_out`, `records_left_out`)."""


@with_config(_OPEN)
class Measure(TypedDict):
    """What a reward model and the base model say of a policy's responses to holdout prompts: means with their standard
    errors, which a single prompt has none of; the KL is in nats a response."""

    prompts: int
    reward: float
    reward_error: float | None
    baseline_reward: float
    kl: float | None
    kl_error: float | None
    answer_tokens: float
    baseline_answer_tokens: float


@with_config(_OPEN)
class RunSummary(TypedDict, total=False):
    """What a run says at its end: a training its figures, the others what they made."""

    model: str  # its address in the store
    pairs: int
    prompts: int
    labels: int
    duplicates: int
    responses_left_out: int
    labels_left_out: int
    records_left_out: int
    stay: dict[str, int]  # what an import that was undone has left, since something depends on it
    refused: int
    notes: dict[str, int]  # why responses could not be used, with how many
    equal_answers: int
    rows: int
    bytes: int
    scored: int
    scores: list[Score]
    measures: dict[str, Measure]  # by the policy's number
    choosing_pairs: int
    eval_loss: float | None
    eval_accuracy: float | None
    eval_accuracy_low: float | None
    eval_accuracy_high: float | None
    kl: float | None
    kl_budget: float | None
    reward_before: float | None
    reward_after: float | None


@with_config(_OPEN)
class ModelMetrics(RunSummary, total=False):
    """What the training said that made a model, the question that it learned from, and a reward model's report."""

    question: str
    report: Report


@with_config(_OPEN)
class EventDetails(TypedDict, total=False):
    """What an audit event tells, beside who did what."""

    previous: int | None
    withdrawn: int
    run: int | None
