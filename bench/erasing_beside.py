"""What the benches of deletions share: how long each transaction took, and what people who label meanwhile notice."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from sqlalchemy.orm import Session

from app.db import task_session
from bench.migration import figures, label

PEOPLE, SECONDS = 6, 10.0


class Timed:
    """Transactions, and how long each took."""

    def __init__(self) -> None:
        self.took: list[float] = []

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        began = time.perf_counter()
        with task_session() as session:
            yield session
        self.took.append(time.perf_counter() - began)

    def figures(self) -> dict[str, Any]:
        took = self.took
        return {
            "begin_s": round(took[0], 2), "seconds": round(sum(took), 1), "transactions": len(took),
            "median_s": round(sorted(took)[len(took) // 2], 3),
            "longest_s": [round(each, 2) for each in sorted(took)[:-4:-1]], "longest_at": took.index(max(took)) + 1,
        }  # fmt: skip


def beside(url: str, erase: Callable[[], dict[str, Any]], project_id: int = 1) -> dict[str, Any]:
    """What `erase` found, and what the people noticed who label in a project before, meanwhile and afterwards."""
    enough = Event()
    with ThreadPoolExecutor(PEOPLE) as threads:
        people = [threads.submit(label, url, user, enough, project_id) for user in range(1, PEOPLE + 1)]
        try:
            time.sleep(SECONDS)
            began = time.perf_counter()
            found = erase()
            ended = time.perf_counter()
            time.sleep(SECONDS)
        finally:
            enough.set()
    made = [one for each in people for one in each.result()[0]]
    return found | {"labelling": figures(made, began, ended)}
