"""Who works: every 10 s a worker writes the Redis key `hone:worker:<name>` with an expiry of 30 s and a JSON object
{"queues": ["sampling", ...], "device": "CPU, 2 cores" | the name of a GPU}. One that stops writing is gone."""

import json
import threading
import time
from typing import Any

import redis

from app.settings import Settings, get_settings

KEY = "hone:worker:"
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
    with connect(settings) as client:
        names = sorted(client.scan_iter(match=f"{KEY}*", count=1000))
        values = client.mget(names) if names else []
    pairs = zip(names, values, strict=True)
    return {str(name).removeprefix(KEY): json.loads(value) for name, value in pairs if value is not None}


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
