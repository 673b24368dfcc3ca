"""What each web process counts about requests, for /metrics. With several processes their counts lie in the files of
PROMETHEUS_MULTIPROC_DIR, which `workers.platform.children` sets. Knows no page."""

from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector

from app.web.routing import CALLS

disable_created_metrics()  # when a count began, which only doubles the number of lines

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

OWN = CollectorRegistry()
REQUESTS = Counter("hone_http_requests", "Requests answered.", ("method", "route", "status"), registry=OWN)
SECONDS = Histogram(
    "hone_http_request_seconds", "Time to the end of the answer.", ("method", "route"), buckets=_SECONDS, registry=OWN
)
LABELS = Counter("hone_labels", "Labels given on pages and by calls.", ("project",), registry=OWN)


def note_request(scope: Any, status: int, seconds: float) -> None:
    """Count a request that was answered. It is named by its route, so that there are as many names as routes."""
    route = _route(scope)
    method = scope["method"] if scope["method"] in _METHODS else "other"
    requests, times = _meters(method, route, status)
    requests.inc()
    if not route.endswith("/events"):  # which lasts as long as a page is open
        times.observe(seconds)


@cache  # to find them by their labels takes as long as to count
def _meters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(method, route)


def _route(scope: Any) -> str:
    path, route = scope["path"], getattr(scope.get("route"), "path", None)
    if route is None:
        return "/static" if path.startswith("/static/") else "none"
    return f"{CALLS.rstrip('/')}{route}" if path.startswith(CALLS) else str(route)


def note_label(project_id: int) -> None:
    """Count a label that was given."""
    LABELS.labels(str(project_id)).inc()


def counts(several: str | None) -> CollectorRegistry:
    """The counts of this process, or of all that keep theirs in the folder `several`."""
    if several is None:
        return OWN
    registry = CollectorRegistry()
    MultiProcessCollector(registry, several)
    return registry
