"""Costly figures, kept for a while. It does not know what is counted."""

import threading
import time
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import Generic, TypeVar

T = TypeVar("T")

QUICK = 0.1  # seconds; what takes less is made anew each time
TIMES = 20  # kept for so many times as long as it took to make: all who look cost a twentieth of a core at most
LONGEST = 300.0  # seconds


class Cache(Generic[T]):
    """Results by key. A page that shows one says when it was made."""

    def __init__(self) -> None:
        self._results: dict[Hashable, tuple[T, datetime, float]] = {}
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> tuple[T, datetime]:
        """What `make` returns or returned not long ago, and when it began. Of several who ask at once one makes it."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            found = self._results.get(key)
            if found is not None and time.monotonic() < found[2]:
                return found[:2]
            moment, began = datetime.now(UTC), time.monotonic()
            result = make()
            took = time.monotonic() - began
            if took < QUICK:
                self._results.pop(key, None)
            else:
                self._results[key] = (result, moment, time.monotonic() + min(LONGEST, TIMES * took))
            return result, moment

    def at_hand(
        self, key: Hashable, make: Callable[[], T], now: Callable[[], bool]
    ) -> tuple[T | None, datetime | None, bool]:
        """What was made last, if anything, when, and whether that is new enough. Where it is not, it is made anew if
        `now` says so; else whoever shows it asks once more."""
        found = self._results.get(key)
        if found is not None and time.monotonic() < found[2]:
            return *found[:2], True
        if now():
            return *self.get(key, make), True
        return (None, None, False) if found is None else (*found[:2], False)

    def aged(self, key: Hashable, make: Callable[[], T]) -> tuple[T, datetime | None]:
        """The same, but without the moment where the result was made just now: then a page has nothing to tell."""
        asked = datetime.now(UTC)
        result, moment = self.get(key, make)
        return result, moment if moment < asked else None
