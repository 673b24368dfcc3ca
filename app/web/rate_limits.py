"""How often somebody may try, counted in Redis for all processes; in this process's memory while Redis is away."""

import logging
import time
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from fastapi import Request
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app.settings import get_settings
from app.web.errors import TooMany

log = logging.getLogger(__name__)

_MEMORY = SlidingWindowCounterRateLimiter(MemoryStorage())


@lru_cache(maxsize=4)
def _shared(redis_url: str) -> SlidingWindowCounterRateLimiter:
    return SlidingWindowCounterRateLimiter(
        RedisStorage(redis_url, key_prefix="hone:limit", socket_timeout=0.5, socket_connect_timeout=0.5)
    )


@lru_cache
def rule(text: str) -> RateLimitItem:
    """A rule as the `limits` package writes it, e.g. `10/15 minutes`."""
    return parse(text)


def hit(limit: str, *who: str, reached: str = "Too many tries.") -> None:
    """Count one try by `who` and raise TooMany, which says what is `reached`, once there were more than `limit`
    allows."""
    item = rule(limit)
    for limiter in _limiters():
        try:
            allowed = limiter.hit(item, *who)
            reset = limiter.get_window_stats(item, *who).reset_time
        except Exception as error:  # noqa: BLE001  Redis and limits raise many kinds; protection goes on in memory
            log.warning("rate limits are counted in memory: %s", type(error).__name__)
            continue
        if not allowed:
            wait = max(1, round(reset - time.time()))
            raise TooMany(f"{reached} Please wait {_in_words(wait)} and try again.", retry_after=wait)
        return


def forget(limit: str, *who: str) -> None:
    """Start the count of `who` anew, after a try that was right."""
    for limiter in _limiters():
        try:
            limiter.clear(rule(limit), *who)
        except Exception as error:  # noqa: BLE001  as above
            log.warning("could not clear a rate limit: %s", type(error).__name__)
            continue
        return


def address(request: Request) -> str:
    """Where the request comes from, as far as one can tell people apart by it: an IPv6 address by its network of 64
    bits, which is what a household gets. A trusted proxy's headers have been read before (`app.main`)."""
    given = request.client.host if request.client else "unknown"
    try:
        ip = ip_address(given)
    except ValueError:
        return given
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or IPv6Network((ip, 64), strict=False))
    return str(ip)


def _limiters() -> list[SlidingWindowCounterRateLimiter]:
    url = get_settings().redis_url
    return [_shared(url), _MEMORY] if url else [_MEMORY]


def _in_words(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} seconds"
    return f"{round(seconds / 60)} minutes"
