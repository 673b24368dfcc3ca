"""Labels that Hone itself has exported, as they were: of every kind, in the order in which responses were shown, with
reasons, time, and whether they were changed later. Pure; knows no database.

What no other file says is in the record's metadata, by the names of the export's columns. What means something only
where it came from (the numbers of labels, items and models) stays there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from app.annotation import KINDS
from app.annotation.comparison.value import settings_in
from app.annotation.kind import Kind
from app.imports.opinions import KEPT, LONGEST_QUESTION, Opinion, Unclear, kind_of, opinions, require_name
from app.labels.imported import Given
from app.models import MOST_SHOWN
from app.models.project_settings import LabelSettings
from app.models.response import Strategy
from formats import ComparisonRecord, DemonstrationRecord, Judgement, Response
from formats.records import Outcome

_RESTORED = {
    "kind", "value", "order", "reasons", "seconds", "late", "surplus", "passed", "usable", "split", "chooses",
    "annotator", "comment",
}  # fmt: skip
"""Of the metadata: what a label has columns for, and what the project decides anew."""
_TURNED: dict[Outcome, Outcome] = {"first": "second", "second": "first"}
_Count = Annotated[int | None, Field(ge=0, lt=2**31)]


class Sampling(BaseModel):
    """How a response was sampled, by the names of its columns."""

    strategy: Strategy | None = None
    temperature: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1, allow_inf_nan=False)] = None
    top_k: _Count = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    finish_reason: Annotated[str | None, Field(max_length=16)] = None
    token_count: _Count = None


class _Reason(BaseModel):
    id: str
    text: str | None = None


class _About(BaseModel):
    """What is read of the metadata."""

    label: int
    order: list[int]
    kind: str
    value: str
    reasons: list[_Reason] = []
    seconds: Annotated[float | None, Field(ge=0, lt=1e9, allow_inf_nan=False)] = None
    late: bool = False
    superseded_at: str | None = None
    annotator: str | None = None
    comment: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """A label, and what its item is: the kind, the responses that it shows, and how each of them was sampled."""

    kind: str
    shown: tuple[Response, ...]
    sampled: tuple[Mapping[str, Any], ...]
    opinion: Opinion


def restored(record: ComparisonRecord | DemonstrationRecord, asked: LabelSettings) -> Restored:
    """The label of a record of our own layout. Raises Unclear."""
    try:
        about = _About.model_validate(record.metadata)
    except ValidationError as error:
        raise Unclear(f'"{error.errors()[0]["loc"][0]}" cannot be read.') from None
    responses = record.responses if isinstance(record, ComparisonRecord) else (record.response,)
    places = _places(about, responses)
    kind = KINDS.get(about.kind)
    if isinstance(record, ComparisonRecord) and (kind is None or kind is kind_of(record)):
        kind, shown = kind_of(record), responses
        opinion = _stated(record, places, kind, asked)
    elif kind is not None:
        shown = tuple(each for each in responses if _position(each) < MOST_SHOWN)
        opinion = _valued(record, about, kind, [responses[place].text for place in places[len(shown) :]])
    else:
        raise Unclear(f"There are no items of the kind {about.kind[:40]!r} here.")
    if len(shown) not in kind.responses:
        raise Unclear(f"A {kind.singular} does not show {len(shown)} responses.")
    extra = _extra(record, opinion, asked)
    identity = [opinion.annotator, about.label, extra.get("date"), opinion.value.model_dump(mode="json")]
    opinion = replace(
        opinion,
        order=places[: len(shown)],
        given=_given(about, asked),
        extra=extra,
        key=sha256(json.dumps([*identity, opinion.comment]).encode()).hexdigest(),
    )
    return Restored(kind.name, tuple(map(_bare, shown)), tuple(map(_sampled, shown)), opinion)


def _places(about: _About, responses: Sequence[Response]) -> tuple[int, ...]:
    """Which response of the row was shown at each place, from 0 on; one that was written as the label comes last."""
    positions = [_position(each) for each in responses]
    written = [each for each in positions if each >= MOST_SHOWN]
    if sorted(about.order) != positions or len(set(positions)) < len(positions) or about.order[-1:] < written:
        raise Unclear("Its order is not of its responses.")
    return tuple(positions.index(each) for each in about.order)


def _position(response: Response) -> int:
    position = response.metadata.get("position")
    if not isinstance(position, int):
        raise Unclear("A response has no position.")
    return position


def _stated(record: ComparisonRecord, places: Sequence[int], kind: Kind, asked: LabelSettings) -> Opinion:
    """What the preferences say, of the responses as they were shown."""
    said = opinions(
        replace(
            record,
            responses=tuple(record.responses[place] for place in places),
            judgements=tuple(_turned(judged, places) for judged in record.judgements),
        ),
        kind,
        asked,
    )
    if not said:
        raise Unclear("It does not say which response is better.")
    return said[0]


def _turned(judged: Judgement, places: Sequence[int]) -> Judgement:
    if judged.ranks is not None:
        return replace(judged, ranks=tuple(judged.ranks[place] for place in places))
    if tuple(places) == (0, 1):
        return judged
    p, outcome = judged.probability, judged.outcome
    return replace(
        judged,
        outcome=None if outcome is None else _TURNED.get(outcome, outcome),
        probability=None if p is None else 1.0 - p,
    )


def _valued(
    record: ComparisonRecord | DemonstrationRecord, about: _About, kind: Kind, written: Sequence[str]
) -> Opinion:
    """What the value says, of kinds whose label is more than preferences."""
    try:
        value = kind.value.model_validate_json(about.value)
    except ValidationError:
        raise Unclear(f"Its value is not that of a {kind.singular}.") from None
    text = kind.writes(value)
    if written != ([] if text is None else [text]):
        raise Unclear("What was written is not the last of its responses.")
    judged = record.judgements[0] if isinstance(record, ComparisonRecord) and record.judgements else None
    annotator, date = (judged.annotator, judged.date) if judged else (about.annotator, about.date)
    require_name(annotator)
    return Opinion(
        annotator=annotator,
        value=value,
        preferences=[{**stated.row, "raters": 1} for stated in kind.to_preferences(value)],
        comment=judged.rationale if judged else about.comment,
        extra=record.metadata | {"date": date},
        key="",
        written=text,
    )


def _given(about: _About, asked: LabelSettings) -> Given:
    known = {name.casefold(): reason.id for reason in asked.reasons for name in (reason.id, reason.text)}
    named = [(each.text or each.id, each.id) for each in about.reasons if (each.text or each.id).strip()]
    reasons = [known.get(text.casefold()) or known.get(id_.casefold()) or text for text, id_ in named]
    if any(len(reason) > LONGEST_QUESTION for reason in reasons):
        raise Unclear(f"A reason is longer than {LONGEST_QUESTION} characters.")
    return Given(tuple(dict.fromkeys(reasons)), about.seconds, about.late, about.superseded_at is not None)


def _extra(record: ComparisonRecord | DemonstrationRecord, opinion: Opinion, asked: LabelSettings) -> dict[str, Any]:
    """What the label keeps beside its columns. What an earlier import had kept is not overwritten."""
    before = {name: value for name, value in record.metadata.items() if name not in _RESTORED}
    if before.get("purpose") == "train":
        del before["purpose"]
    said = {name: opinion.extra[name] for name in KEPT if name in opinion.extra}
    if said.get("strength_of") == settings_in(asked).levels:  # the value says it
        del said["strength"], said["strength_of"]
    if not (opinion.annotator or "").startswith("-"):  # given there, at the date that the row itself tells
        before.pop("date", None)
    return said | before


def _bare(response: Response) -> Response:
    own = {*Sampling.model_fields, "position", "imported_from"}
    return replace(response, metadata={n: value for n, value in response.metadata.items() if n not in own})


def _sampled(response: Response) -> Mapping[str, Any]:
    try:
        return Sampling.model_validate(response.metadata).model_dump()
    except ValidationError as error:
        raise Unclear(f'"{error.errors()[0]["loc"][0]}" of a response cannot be read.') from None
