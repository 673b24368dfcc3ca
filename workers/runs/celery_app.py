"""The Celery app: queues, limits and the beat schedule. Each setting stands beside the failure it prevents.

    celery -A workers.runs.celery_app worker --queues sampling --pool threads --concurrency 1

The rows of `run` are the queue (app.runs.service); a message only wakes a worker.
"""

import gc
import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable
from secrets import token_hex
from threading import Event
from types import FrameType
from typing import Any

from celery import Celery, bootsteps, signals

from app import extensions, logs
from app.settings import get_settings

# Given up after 25 s without a response; a system without one of these keeps its own figure.
_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}

extensions.load()
app = Celery("hone", broker=get_settings().redis_url, include=["workers.runs.tasks"])
app.conf.update(
    # Rows hold the results: without this every task would leave a key in Redis that nobody reads.
    task_ignore_result=True,
    # A worker that dies in the middle of a task would lose it, if it had acknowledged it on arrival.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # A worker that fetched ahead would keep the second run waiting behind a long first one while others are idle.
    worker_prefetch_multiplier=1,
    broker_transport_options={
        # What is unacknowledged for longer is delivered again: to the claim on the run's row that is harmless, and
        # dead workers' runs come back by their heartbeat long before.
        "visibility_timeout": 3600,
        # A connection that a firewall dropped in silence would leave the worker deaf.
        "socket_keepalive": True,
        "socket_keepalive_options": _KEEPALIVE,
        "health_check_interval": 25,
        # A broker that hangs would hang the worker's stop.
        "socket_connect_timeout": 5,
    },
    # A Redis that restarts, or starts after the workers, would end them.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # Long runs would be cancelled whenever the connection to Redis breaks, though they do not need it.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # Anybody who reaches the broker could have pickles run.
    task_serializer="json",
    accept_content=["json"],
    # Nobody listens to events or remote control; each costs messages all day.
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    # Threads: a task only watches a child process, and a fork of a process with open connections shares them.
    # Time limits do not work in threads and are not needed: what hangs is the child, and a run can be cancelled.
    worker_pool="threads",
    worker_concurrency=1,
    timezone="UTC",
    # The default scheduler keeps a file that a kill -9 can break, and needs the broker for what must not.
    beat_scheduler="workers.runs.clock:Clock",
    beat_schedule={"sweep": {"task": "hone.sweep", "schedule": 5.0}},
    worker_redirect_stdouts=False,
)
# We run as the owner of the data folder, in containers and at first trials often root; the risk it warns of is pickle.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")

INSTANCE = token_hex(3)  # of this process; its number is no name, since in containers it is often 1
stopping = Event()  # set once this worker was asked to stop: tasks give their runs back


@signals.worker_shutting_down.connect
def _stop(**_: Any) -> None:
    stopping.set()


def once(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
    """A handler of a signal that the same signal does not interrupt."""
    taken = False

    def take(number: int, frame: FrameType | None) -> None:
        nonlocal taken
        if not taken:
            taken = True
            handler(number, frame)

    return take


class StopOnce(bootsteps.StartStopStep):
    """Of a supervisor that is killed several SIGTERMs may come at once (three were seen), be the worker ready or not;
    celery's handler waits for ever for a lock of its own where another comes while it is at work."""

    def start(self, parent: Any) -> None:
        """Celery has set its handlers just before the first step."""
        handler = signal.getsignal(signal.SIGTERM)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, once(handler))


app.steps["worker"].add(StopOnce)


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    logs.configure()
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a line or two for each message and sweep


@signals.celeryd_init.connect
def _name(instance: Any, **_: Any) -> None:
    instance.hostname = f"{instance.hostname}:{INSTANCE}"  # two workers of one queue may be on one host


@signals.worker_ready.connect
def set_modules_aside(**_: Any) -> None:
    """The collector goes through old objects when a quarter more have come: beside those of all modules that is so
    much that a worker grows for an hour by what nobody uses. And each time, it took a fifth of what a head does while
    many label."""
    gc.collect()
    gc.freeze()


@signals.worker_ready.connect
def _announce(sender: Any, **_: Any) -> None:
    from workers.runs.presence import announce

    announce(str(sender.hostname), sorted(sender.app.amqp.queues.consume_from), stopping)


def worker_name() -> str:
    """Name of this worker in the rows of its runs: no other process has it, ever. Presence puts the queue before it."""
    return f"{os.uname().nodename}:{INSTANCE}"
