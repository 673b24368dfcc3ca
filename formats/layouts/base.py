"""What a layout is: the columns by which it is known, and how a row of it is read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from formats.fields import Fields
from formats.records import (
    BadRow,
    ComparisonRecord,
    DemonstrationRecord,
    Judgement,
    Messages,
    PromptRecord,
    Record,
    Response,
    Row,
)

Gives = Literal["prompts", "demonstrations", "pairs", "labels"]


def _any(values: Mapping[str, Any]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which rows are laid out. `read` raises BadRow."""

    name: str
    title: str
    gives: Gives
    required: frozenset[str]
    read: Callable[[Fields], Iterable[Record]]
    fits: Callable[[Mapping[str, Any]], bool] = _any  # a look at a row's values, where its columns do not tell
    # Where all rows have to be seen before the first can be read: gives the layout that reads them.
    prepare: Callable[[Iterable[Row]], "Layout"] | None = None

    def knows(self, values: Mapping[str, Any]) -> bool:
        """Whether a row may be of this layout."""
        try:
            return self.required <= values.keys() and self.fits(values)
        except BadRow:
            return False


def columns(names: str) -> frozenset[str]:
    """A set out of names with spaces between them."""
    return frozenset(names.split())


def prompt_only(fields: Fields, messages: Messages) -> PromptRecord:
    """A record of what is left in the fields."""
    return PromptRecord(line=fields.line, messages=messages, metadata=fields.rest())


def demonstration(fields: Fields, messages: Messages, response: Response) -> DemonstrationRecord:
    """A record of what is left in the fields."""
    return DemonstrationRecord(line=fields.line, messages=messages, response=response, metadata=fields.rest())


def comparison(
    fields: Fields, messages: Messages, responses: Iterable[Response], judgements: Iterable[Judgement] = ()
) -> ComparisonRecord:
    """A record of what is left in the fields."""
    return ComparisonRecord(
        line=fields.line,
        messages=messages,
        responses=tuple(responses),
        judgements=tuple(judgements),
        metadata=fields.rest(),
    )
