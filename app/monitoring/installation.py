"""The figures of the whole installation: its parts, its workers and what the database says, looked at once in a few
seconds however many ask."""

import time
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any

import psycopg
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.monitoring import figures
from app.settings import get_settings
from app.web import health

FRESH = 5.0  # seconds

_looking = Lock()
_found: tuple[float, list[GaugeMetricFamily]] = (0.0, [])


class Installation(Collector):
    """What is the same whichever web process is asked."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The figures as of a few seconds ago. Those of a part that does not answer are missing."""
        global _found
        with _looking:
            if time.monotonic() - _found[0] > FRESH or not _found[1]:
                found = list(_look())
                _found = (time.monotonic(), found)
            return _found[1]


def _look() -> Iterator[GaugeMetricFamily]:
    parts = health.recent()
    up = GaugeMetricFamily("hone_part_up", "1 where a part is well, as /healthz tells it.", labels=["part"])
    for name, part in parts.items():
        up.add_metric([name], part.ok)
    yield up
    if (free := parts["disk"].details.get("free_bytes")) is not None:
        yield GaugeMetricFamily("hone_store_free_bytes", "Room left for models and runs.", value=free)
    if "workers" in parts["workers"].details:
        yield from _workers(parts["workers"].details)
    url = get_settings().database_url
    if parts["database"].ok and url is not None:
        try:
            with health.connect(url) as connection:
                yield from figures.read(connection)
        except psycopg.Error:  # it went away just now: the next look says so
            return


def _workers(details: dict[str, Any]) -> Iterator[GaugeMetricFamily]:
    workers: dict[str, dict[str, Any]] = details["workers"]
    serving = GaugeMetricFamily("hone_workers", "Workers that serve a queue.", labels=["queue"])
    for queue in {*health.NEEDED_QUEUES, *(queue for about in workers.values() for queue in about["queues"])}:
        serving.add_metric([queue], sum(queue in about["queues"] for about in workers.values()))
    yield serving
    silent = "Workers that ended without a word, hang or are cut off, of the last ten minutes."
    yield GaugeMetricFamily("hone_workers_silent", silent, value=len(details["silent"]))
    used = GaugeMetricFamily("hone_device_memory_used_bytes", "Memory in use on a worker's device.", labels=["worker"])
    total = GaugeMetricFamily("hone_device_memory_bytes", "Memory of a worker's device.", labels=["worker"])
    for name, about in workers.items():
        if memory := about.get("memory"):
            used.add_metric([name], memory["used"])
            total.add_metric([name], memory["total"])
    yield used
    yield total
