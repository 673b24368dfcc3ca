"""Long lists in pages by key, newest first: the hundredth page costs as much as the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import Field
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.input import Id, Input

T = TypeVar("T")


class Paging(Input):
    """Which part of a long list is asked for. Filters of lists build on it."""

    before: Id | None = Field(None, description="The key that the last page ended with")
    limit: int = Field(50, ge=1, le=200, description="How many at most")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items, and the key to ask for the next ones with (`?before=…`); None on the last page."""

    items: Sequence[T]
    before: int | None


def page(
    session: Session, statement: Select[T], key: InstrumentedAttribute[int], before: int | None, limit: int = 50
) -> Page[T]:
    """The next `limit` entities with a key below `before`. `key` is a unique column of the selected entity."""
    if before is not None:
        statement = statement.where(key < before)
    rows = list(session.scalars(statement.order_by(key.desc()).limit(limit + 1)))
    more: Any = getattr(rows[limit - 1], key.key) if len(rows) > limit else None
    return Page(rows[:limit], more)
