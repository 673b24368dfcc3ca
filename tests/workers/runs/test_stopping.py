"""A worker that is told to stop several times at once, as when its supervisor is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.ports import free_port
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


WORKER = """
import os, signal
from celery import signals
from workers.runs.celery_app import app
ended = signals.worker_shutting_down
look = ended._clear_dead_receivers  # with the lock that celery's handler takes
def look_and_be_told_again():
    os.kill(os.getpid(), signal.SIGTERM)
    look()
ended._clear_dead_receivers = look_and_be_told_again
app.worker_main(["worker", "--queues", "files", "--loglevel", "info"])
"""


def test_a_worker_that_is_not_ready_yet_ends_too(tmp_path: Path) -> None:
    env = dict(os.environ) | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0", "HONE_DATA_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-u", "-c", WORKER], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as worker:
        assert any("Cannot connect" in line for line in worker.stdout or ())
        worker.send_signal(signal.SIGTERM)
        try:
            assert worker.wait(30) == 0
        finally:
            worker.kill()
