"""A worker that is told to stop several times at once, as when its supervisor is killed."""

import signal

from workers.runs.celery_app import once


def test_a_signal_does_not_interrupt_its_own_handler() -> None:
    taken: list[int] = []

    def handler(number: int, _: object) -> None:
        taken.append(number)
        take(number, None)

    take = once(handler)
    take(signal.SIGTERM, None)
    take(signal.SIGTERM, None)
    assert taken == [signal.SIGTERM]
