"""Lists, which come in pages and are read as one. Knows no call."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

V = TypeVar("V", bound=BaseModel)


class Pages(Generic[V]):
    """All rows of a list, the newest first; a page is asked for when its first row is wanted. `before` is the key that
    the rest begins at, once a `limit` has been reached; None where there is no more."""

    def __init__(
        self, kind: type[V], page: Callable[[int | None, int], Any], start: int | None, limit: int | None, most: int
    ) -> None:
        self._kind, self._page, self._start, self._limit, self._most = kind, page, start, limit, most
        self.before: int | None = None

    def __iter__(self) -> Iterator[V]:
        left, self.before = self._limit, self._start
        while left is None or left > 0:
            size = self._most if left is None else min(left, self._most)
            answer = self._page(self.before, size)
            self.before = answer.get("before")
            rows = answer["items"]
            yield from map(self._kind.model_validate, rows)
            if left is not None:
                left -= len(rows)
            if self.before is None:
                return
