"""The time zone of the person behind a request: their browser says it in a cookie, see static/hone.js. Days that a page
counts are theirs, as the times are that it shows."""

from datetime import UTC, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from fastapi import Request

COOKIE = "hone_zone"


def zone_of(request: Request) -> tzinfo:
    """UTC where the browser says nothing, or nothing that is a zone."""
    return named(request.cookies.get(COOKIE, "UTC"))


@lru_cache(maxsize=600)
def named(name: str) -> tzinfo:
    """The zone of an IANA name, such as Europe/Berlin; UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return UTC
