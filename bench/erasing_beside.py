"""What the benches of deletions share: how long each transaction took, and what people who label meanwhile notice."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from app.db import task_session
from bench.migration import figures, label

PEOPLE, SECONDS = 6, 10.0


class Timed:
    """Transactions, how long each took, and of each which statement took longest."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.slowest: list[tuple[float, str]] = []

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        began = time.perf_counter()
        with task_session() as session:
            statements = [(0.0, "")]

            def before(*_: object) -> None:
                session.info["began"] = time.perf_counter()

            def after(_: object, __: object, statement: str, *more: object) -> None:
                statements.append((time.perf_counter() - session.info["began"], " ".join(statement.split())[:90]))

            connection = session.connection()
            event.listen(connection, "before_cursor_execute", before)
            event.listen(connection, "after_cursor_execute", after)
            yield session
        self.took.append(time.perf_counter() - began)
        self.slowest.append(max(statements))

    def figures(self) -> dict[str, Any]:
        took = self.took
        longest = sorted(range(len(took)), key=took.__getitem__)[:-6:-1]
        return {
            "begin_s": round(took[0], 2), "seconds": round(sum(took), 1), "transactions": len(took),
            "median_s": round(sorted(took)[len(took) // 2], 3), "p95_s": round(sorted(took)[int(len(took) * 0.95)], 3),
            "longest_s": [round(took[at], 2) for at in longest],
            "in_them": [f"{at + 1}: {self.slowest[at][0]:.2f} s {self.slowest[at][1]}" for at in longest],
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
