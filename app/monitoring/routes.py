"""/metrics, for Prometheus. It names projects by number and nothing else of theirs, and is for operators only."""

import os
import secrets
import time
from threading import Lock

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from app.monitoring.installation import Installation
from app.settings import get_settings
from app.web import metering
from app.web.errors import NotFound
from app.web.guard import public
from app.web.hosts import HERE, is_ours
from app.web.routing import Router

router = Router(dependencies=[Depends(public)])

_REFUSED = (
    "Metrics are for operators. Send HONE_METRICS_TOKEN as a bearer token; where it is not set, ask on the machine "
    "itself, by the name localhost."
)
FRESH = 1.0  # seconds for which all who ask are given one answer

_installation = CollectorRegistry()
_installation.register(Installation())
_writing = Lock()
_written: tuple[float, bytes] = (0.0, b"")


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """What this web server counted, and the figures of the installation, in Prometheus's text format."""
    if not may_read(request):
        raise NotFound(_REFUSED)
    return Response(_recent(), media_type=CONTENT_TYPE_LATEST)


def _recent() -> bytes:
    global _written
    with _writing:
        if time.monotonic() - _written[0] > FRESH:
            counts = metering.counts(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
            text = generate_latest(counts) + generate_latest(_installation)
            _written = (time.monotonic(), text)
        return _written[1]


def may_read(request: Request) -> bool:
    """By the token where one is set; else from this machine, and through no proxy: behind one that is not named in
    HONE_TRUSTED_PROXIES everybody seems to come from here. The name that was asked for has to be this machine's, since
    a browser here could be led to another name of it."""
    token = get_settings().metrics_token
    if token is not None:
        given = request.headers.get("authorization", "")
        return secrets.compare_digest(given.encode(), f"Bearer {token}".encode())
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded")):
        return False
    asks = request.client.host if request.client else ""
    return asks in HERE and is_ours(request.headers.get("host", ""), (), any_figures=False)
