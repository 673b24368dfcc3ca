"""Who works: every 10 s a worker writes the Redis key `hone:worker:<queue>@<host>:<instance>` with a JSON object
{"queues": ["sampling", ...], "device": "CPU, 2 cores" | the name of a GPU}, and deletes it when it stops in order.
One that has not written for 30 s has died, hangs, or is cut off; its key is kept for ten minutes, to tell people."""

import json
import threading
import time
from typing import Any

import redis

from app.settings import Settings, get_settings

KEY = "hone:worker:"
EVERY, SILENT, KEPT = 10, 30, 600  # seconds
SECONDS = 1.0
FRESH = 1.0  # seconds that pages share one look: a list of waiting runs asks for each of them
_looking = threading.Lock()
_seen: tuple[float, frozenset[str] | None] = (0.0, None)


def connect(settings: Settings) -> "redis.Redis":
    """A client that waits a second at most."""
    if settings.redis_url is None:
        raise ConnectionError("REDIS_URL is not set")
    return redis.Redis.from_url(
        settings.redis_url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, decode_responses=True
    )


def workers(settings: Settings) -> dict[str, dict[str, Any]]:
    """name -> what each worker says of itself."""
    return {name: about for name, (about, seconds) in _known(settings).items() if seconds <= SILENT}


def silent(settings: Settings) -> dict[str, int]:
    """name -> seconds since the last word of each worker that ended without saying so, or hangs."""
    return {name: seconds for name, (_, seconds) in _known(settings).items() if seconds > SILENT}


def _known(settings: Settings) -> dict[str, tuple[dict[str, Any], int]]:
    """name -> what a worker said last, and the seconds since then, by the server's clock."""
    with connect(settings) as client:
        names = sorted(client.scan_iter(match=f"{KEY}*", count=1000))
        with client.pipeline(transaction=False) as several:
            for name in names:
                several.get(name).ttl(name)
            found = several.execute()
    triples = zip(names, found[::2], found[1::2], strict=True)
    return {str(name).removeprefix(KEY): (json.loads(said), KEPT - left) for name, said, left in triples if said}


def served_queues() -> frozenset[str] | None:
    """The queues that some worker serves, as of a second ago at most; None where Redis does not answer."""
    global _seen
    with _looking:
        if time.monotonic() >= _seen[0]:
            try:
                found = workers(get_settings())
                queues = frozenset(queue for worker in found.values() for queue in worker.get("queues", []))
            except (redis.RedisError, ConnectionError):
                _seen = (time.monotonic() + FRESH, None)
            else:
                _seen = (time.monotonic() + FRESH, queues)
        return _seen[1]
