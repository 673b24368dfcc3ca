"""A world for worker processes: real database and queue, and the sweep."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest

from tests.faults.work import World, make_world
from workers.runs import scheduling


@pytest.fixture
def world(database: str) -> Iterator[World]:
    """What there is to do, and each second the sweep that the scheduling process makes."""
    made, enough = make_world(), Event()

    def sweep() -> None:
        while not enough.wait(1):
            scheduling.sweep()

    thread = Thread(target=sweep)
    thread.start()
    try:
        yield made
    finally:
        enough.set()
        thread.join()
