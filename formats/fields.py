"""The fields of one row, taken one by one; what nobody takes is the record's metadata."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from formats import messages
from formats.records import BadRow, Judgement, Messages, Octets, Response, Row
from formats.strict_json import in_cell, shown


class Fields:
    """One row's fields. Every method raises BadRow where a field is not what it should be."""

    def __init__(self, row: Row) -> None:
        self.row, self.line = row, row.line
        self._left = {name: value for name, value in row.values.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def names(self) -> list[str]:
        """The fields that hold something and were not taken, in their order."""
        return list(self._left)

    def see(self, name: str) -> Any:
        """A field, or None, left where it is."""
        return self._left.get(name)

    def take(self, name: str) -> Any:
        """A field, or None."""
        return self._left.pop(name, None)

    def need(self, name: str) -> Any:
        """A field that has to be there."""
        if (value := self.take(name)) is None:
            raise BadRow(f'The field "{name}" is missing or empty.')
        return value

    def text(self, name: str) -> str | None:
        """A text or a number as text, or None."""
        return as_text(self.take(name), name)

    def number(self, name: str) -> float | None:
        """A finite number, or None."""
        return as_number(self.take(name), name)

    def list(self, name: str) -> list[Any]:
        """A list, in a table as JSON or as Python writes it; empty where it is absent."""
        return as_list(self.take(name), name)

    def turns(self, name: str) -> Any:
        """Text or messages that have to be there; a table's cell may hold messages as JSON."""
        value = self.need(name)
        if isinstance(value, Octets):
            raise BadRow(f'"{name}" holds bytes that are no text.')
        return messages.in_cell(value) if self.row.tabular and isinstance(value, str) else value

    def prompt(self, name: str = "prompt", system: str | None = "system") -> Messages:
        """The conversation to respond to, with the system message of a column of its own."""
        return messages.prompt(self.turns(name), name, self.take(system) if system else None)

    def written(self, text: str, authors: Sequence[str] = (), scores: Sequence[str] = ()) -> Response:
        """A response, with the first of its author's fields that is there, and what its scores' fields hold."""
        found = [author for name in authors if (author := self.text(name)) is not None]
        return Response(text, found[0] if found else None, self.some(scores))

    def responses(
        self,
        before: Messages,
        names: Sequence[str],
        authors: str = "",
        scores: Sequence[str] = (),
        marks: Sequence[str] = (),
    ) -> tuple[Response, ...]:
        """The responses in these fields. In the names `authors` and `scores`, `{}` stands for a response's mark."""
        texts = [messages.response(self.turns(name), name, before) for name in names]
        texts = messages.without_repeated(before, texts)
        return tuple(
            self.written(text, [authors.format(mark)] if authors else (), [score.format(mark) for score in scores])
            for text, mark in zip(texts, marks or names, strict=True)
        )

    def some(self, names: Sequence[str]) -> dict[str, Any]:
        """Those of the fields that are there."""
        return {name: value for name in names if (value := self.take(name)) is not None}

    def rest(self) -> dict[str, Any]:
        """What was not taken."""
        return dict(self._left)


def as_text(value: Any, name: str) -> str | None:
    """A text, or a number or truth value as text, or None. Raises BadRow."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, int | float):
        return json.dumps(value)
    raise BadRow(f'"{name}" must be text.')


def as_number(value: Any, name: str) -> float | None:
    """A finite number, or None. Raises BadRow."""
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise BadRow(f'"{name}" is not a number.')
    return number


def as_list(value: Any, name: str) -> list[Any]:
    """A list, or its text in a table's cell; empty for None. Raises BadRow."""
    if value is None:
        return []
    if isinstance(value, str):
        value = in_cell(value)
    if not isinstance(value, list):
        raise BadRow(f'"{name}" is not a list.')
    return value


def as_date(value: Any) -> str | None:
    """A date as the file writes it; seconds since 1970 as ISO 8601."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) and value else None
    try:
        return datetime.fromtimestamp(value, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def by_scores(
    scores: Sequence[float | None], question: str = "", source: str | None = None, **more: Any
) -> list[Judgement]:
    """The judgement that scores make, the highest first; none where not every response has one."""
    if len(scores) < 2 or any(score is None for score in scores):
        return []
    known = [score for score in scores if score is not None]
    return [ranked([-score for score in known], question=question, source=source, **more)]


def ranked(ranks: Sequence[float], **more: Any) -> Judgement:
    """The judgement that ranks make, the lowest first: an outcome for two responses, dense ranks from 1 for more."""
    if len(ranks) == 2:
        first, second = ranks
        return Judgement(outcome="tie" if first == second else "first" if first < second else "second", **more)
    order = {rank: i for i, rank in enumerate(sorted(set(ranks)), start=1)}
    return Judgement(ranks=tuple(order[rank] for rank in ranks), **more)


def signed(score: float, of: float, **more: Any) -> Judgement:
    """The judgement of a score that is below 0 where the first response is better, by as much as that."""
    if abs(score) > of:
        raise BadRow(f"The preference {score:g} is outside of {-of:g} to {of:g}.")
    if score == 0:
        return Judgement(outcome="tie", **more)
    return Judgement(outcome="first" if score < 0 else "second", strength=abs(score), strength_of=of, **more)


_WORDS: dict[str, Any] = {
    word: outcome
    for outcome, words in {
        "first": "a|first|left|1|model_a|response_a|response1|response_1|answer1|answer_1",
        "second": "b|second|right|2|model_b|response_b|response2|response_2|answer2|answer_2",
        "tie": "tie|equal|same|0|draw|both|both good|both_good",
        "both_bad": "both_bad|both bad|tie (bothbad)|bothbad|neither|none",
    }.items()
    for word in words.split("|")
}


def worded(value: Any, **more: Any) -> Judgement:
    """The judgement of a word such as "model_a", "left", "tie" or "both bad". Raises BadRow."""
    outcome = _WORDS.get(value.strip().lower()) if isinstance(value, str) else None
    if outcome is None:
        raise BadRow(f"It cannot be told which response {shown(str(value), 40)!r} prefers.")
    return Judgement(outcome=outcome, **more)
