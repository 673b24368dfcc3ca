"""What a file says of responses, as labels: who judged, which kind of value it makes, and who prefers what by it.

Pure; knows no database. What the file says more than a label can hold (a strength on another scale, a date, what a
judgement was derived from) is in `extra`.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from app.annotation.comparison import COMPARISON, ComparisonValue
from app.annotation.comparison.value import settings_in
from app.annotation.kind import Kind
from app.annotation.ranking import RANKING, RankingValue
from app.labels.imported import Given
from app.models import Outcome
from app.models.project_settings import LabelSettings
from app.models.values import LabelValue
from formats import ComparisonRecord, Judgement

LONGEST_NAME, LONGEST_QUESTION = 200, 80
KEPT = ("strength", "strength_of", "source", "date")
MAIN = ""


class Unclear(ValueError):
    """This row makes no label; the message says why."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """One label: of the responses by their places in the row."""

    annotator: str | None  # the name that the file gives
    value: LabelValue
    preferences: list[dict[str, Any]]  # as the statements that save labels take them
    comment: str | None
    extra: dict[str, Any]
    key: str  # the same for the same row, in whatever order its responses are
    order: tuple[int, ...] = ()  # the responses of the row as `value` speaks of them, where that is another order
    written: str | None = None  # a response that is this label, behind those of the row
    given: Given = field(default_factory=Given)


def opinions(record: ComparisonRecord, kind: Kind, asked: LabelSettings) -> tuple[Opinion, ...]:
    """The labels of a record: the judgements of one annotator are one, of several questions. Raises Unclear."""
    places = _canonical(record)
    return tuple(
        _opinion(judged, record, kind, asked, places, index)
        for index, judged in enumerate(_by_annotator(record.judgements))
    )


def _by_annotator(judgements: Sequence[Judgement]) -> list[dict[str, Judgement]]:
    """Question -> judgement, for each annotator. One who judges a question again is another one, where nobody is
    named; a person's last word counts."""
    labels: list[dict[str, Judgement]] = []
    open_: dict[str | None, dict[str, Judgement]] = {}
    for judged in judgements:
        label = open_.get(judged.annotator)
        if label is None or (judged.question in label and judged.annotator is None):
            label = {}
            labels.append(label)
            open_[judged.annotator] = label
        label[judged.question] = judged
    return labels


def _opinion(
    judged: dict[str, Judgement],
    record: ComparisonRecord,
    kind: Kind,
    asked: LabelSettings,
    places: Sequence[int],
    index: int,
) -> Opinion:
    if MAIN not in judged:
        named = ", ".join(f'"{question}"' for question in judged)
        raise Unclear(f"It answers only {named}, and not which response is better.")
    main = judged[MAIN]
    require_name(main.annotator)
    further = {_question(asked, question): each for question, each in judged.items() if question != MAIN}
    level = _level(main, settings_in(asked).levels)
    value: LabelValue
    if len(record.responses) == 2:
        value = ComparisonValue(
            choice=_outcome(main), strength=level, questions={q: _outcome(each) for q, each in further.items()}
        )
    else:
        value = RankingValue(tiers=_tiers(main), questions={q: _tiers(each) for q, each in further.items()})
    preferences = [stated.row for stated in kind.to_preferences(value)]
    said = further | {MAIN: main}
    for row in preferences:
        each = said[row["question"]]
        if each.probability is not None and row["probability"] is not None and len(record.responses) == 2:
            row["probability"] = each.probability
        row["raters"] = each.raters or 1
    said_more = {name: getattr(main, name) for name in KEPT if getattr(main, name) is not None}
    extra = record.metadata | said_more
    comment = "\n\n".join(dict.fromkeys(each.rationale for each in judged.values() if each.rationale)) or None
    stated = sorted(_from_canonical(row, places) for row in preferences)
    identity = [main.annotator, stated, comment, extra, index]
    key = sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
    return Opinion(main.annotator, value, preferences, comment, extra, key)


def kind_of(record: ComparisonRecord) -> Kind:
    """Two responses are compared, more are ranked."""
    return COMPARISON if len(record.responses) == 2 else RANKING


def require_name(annotator: str | None) -> None:
    """Unclear where this is too long to be a name."""
    if annotator and len(annotator) > LONGEST_NAME:
        raise Unclear(f"The annotator's name is longer than {LONGEST_NAME} characters.")


def _canonical(record: ComparisonRecord) -> list[int]:
    """Place -> rank of its response among them, by text and author."""
    named = [(response.text, response.author or "") for response in record.responses]
    by = sorted(range(len(named)), key=named.__getitem__)
    return [by.index(place) for place in range(len(by))]


def _from_canonical(row: dict[str, Any], places: Sequence[int]) -> list[Any]:
    one, two, p = places[row["place"]], places[row["other"]], row["probability"]
    if one > two:
        one, two, p = two, one, None if p is None else 1.0 - p
    # Rounded: 1 - 0.9 is not 0.1, and the same row the other way round is the same label.
    return [row["question"], one, two, -1.0 if p is None else round(p, 9), row["raters"], row["strength"] or 0]


def _question(asked: LabelSettings, name: str) -> str:
    """The project's own question of this text or id; else the file's name for it."""
    wanted = name.strip().casefold()
    found = next((q.id for q in asked.questions if wanted in (q.text.casefold(), q.id.casefold())), None)
    if found is None and len(name) > LONGEST_QUESTION:
        raise Unclear(f"A question is longer than {LONGEST_QUESTION} characters.")
    return found or name


def _outcome(judged: Judgement) -> Outcome:
    if judged.outcome is not None:
        return Outcome(judged.outcome)
    one, two = _ranks(judged, 2)
    return Outcome.TIE if one == two else Outcome.FIRST if one < two else Outcome.SECOND


def _tiers(judged: Judgement) -> tuple[tuple[int, ...], ...]:
    ranks = judged.ranks
    if ranks is None:
        raise Unclear("It says which of two responses is better, and has more than two.")
    return tuple(tuple(place for place, each in enumerate(ranks) if each == rank) for rank in sorted(set(ranks)))


def _ranks(judged: Judgement, count: int) -> Sequence[int]:
    if judged.ranks is None or len(judged.ranks) != count:
        raise Unclear("It does not rank all of its responses.")
    return judged.ranks


def _level(judged: Judgement, levels: int) -> int | None:
    """The strength on the project's scale; on the file's own, if it is one that a project may have, where the project
    asks for none."""
    strength, most = judged.strength, judged.strength_of
    if not strength or not most:
        return None
    scale = levels or (int(most) if most in (2, 3, 4) else 0)
    return min(scale, max(1, math.ceil(min(1.0, strength / most) * scale - 1e-9))) if scale else None
