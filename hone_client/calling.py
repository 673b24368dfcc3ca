"""A call of the JSON API over HTTP: what is sent, when it is sent again, refusals as exceptions. Names no call."""

import random
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel

from hone_client.errors import BY_STATUS, Refused, TooMany, Unavailable, Unreachable
from hone_client.files import Download, opened
from hone_client.paging import Pages

V = TypeVar("V", bound=BaseModel)
PREFIX = "/api/v1"
MOST = 200  # rows that one page of a list may have
_REPEATABLE = frozenset({"GET", "PATCH", "PUT"})


class _Omitted(Enum):
    OMIT = "left out"


OMIT: Final = _Omitted.OMIT
Omit = Literal[_Omitted.OMIT]
"""A field that was not given is not sent: the server has its default. None is sent as null."""


class Caller:
    """Sends requests. One of the same kind goes again by itself where that is safe: after 429 and 503 with
    Retry-After, when nothing was reached, and when a read or a request with an Idempotency-Key got no answer."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 120.0,
        retries: int = 5,
        backoff: float = 0.5,
        longest_wait: float = 60.0,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`url` is that of the pages. `backoff` is the first pause in seconds, doubled each time; a Retry-After over
        `longest_wait` seconds is raised instead of waited for. `headers` go with each request."""
        self._retries, self._backoff, self._longest_wait = retries, backoff, longest_wait
        sent = {"Accept": "application/json", "User-Agent": "hone-client"} | dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(base_url=url.rstrip("/") + PREFIX, headers=sent, timeout=timeout, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _one(self, kind: type[V], method: str, path: str, *, also: frozenset[int] = frozenset(), **sent: Any) -> V:
        """The answer to a call. `also` are statuses of refusals that are answered in the same shape."""
        return kind.model_validate_json(self._answer(method, path, also, **sent).content)

    def _none(self, method: str, path: str, **sent: Any) -> None:
        self._answer(method, path, frozenset(), **sent)

    def _pages(
        self, kind: type[V], path: str, *, limit: int | None = None, paged: bool = True, **sent: Any
    ) -> Pages[V]:
        """A list, asked for page by page. `limit` is how many rows at most in all."""
        query = dict(sent.pop("query", {}))

        def page(before: int | None, size: int) -> Any:
            place = {"limit": size} | ({} if before is None else {"before": before}) if paged else {}
            return self._answer("GET", path, frozenset(), query=query | place, **sent).json()

        return Pages(kind, page, query.pop("before", None), limit, MOST)

    def _file(self, method: str, path: str, **sent: Any) -> Download:
        return Download(self._sent(method, path, frozenset(), **sent))

    def _answer(self, method: str, path: str, also: frozenset[int], **sent: Any) -> httpx.Response:
        response = self._sent(method, path, also, **sent)
        try:
            response.read()
        except httpx.TransportError as error:
            raise Unreachable(f"The answer broke off: {error or type(error).__name__}.") from error
        finally:
            response.close()
        return response

    def _sent(
        self,
        method: str,
        path: str,
        also: frozenset[int],
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        file: Path | BinaryIO | None = None,
        key: str | Omit | None = OMIT,
    ) -> httpx.Response:
        """The response, whose body is still to be read."""
        headers = {} if key is OMIT else {"Idempotency-Key": key or str(uuid4())}
        with opened(file) as upload:
            for attempt in range(self._retries + 1):
                last = attempt == self._retries
                if upload is not None:
                    upload.seek(0)
                request = self._http.build_request(
                    method,
                    path,
                    params=_filled(query),
                    json=None if body is None else _given(body),
                    data=_filled(form),
                    files=None if upload is None else {"file": (Path(getattr(upload, "name", "file")).name, upload)},
                    headers=headers,
                )
                try:
                    response = self._http.send(request, stream=True)
                except httpx.TransportError as error:
                    unsent = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
                    if last or not (unsent or headers or method in _REPEATABLE):
                        raise Unreachable(self._unreached(error)) from error
                    time.sleep(self._pause(attempt))
                    continue
                if response.is_success or (response.status_code in also and _is_json(response)):
                    return response
                refusal = refused(response)
                wait = getattr(refusal, "retry_after", None)
                if last or wait is None or wait > self._longest_wait:
                    raise refusal
                time.sleep(max(wait, self._pause(attempt)))
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int) -> float:
        """Seconds until the next attempt: longer each time, and not the same for all who wait."""
        return self._backoff * 2.0**attempt * random.uniform(0.75, 1.25)  # noqa: S311  spreads load, keeps no secret

    def _unreached(self, error: httpx.TransportError) -> str:
        host = f"{self._http.base_url.scheme}://{self._http.base_url.netloc.decode()}"
        if isinstance(error, httpx.ConnectError):
            return f"Nothing answers at {host}. Start it with `hone up`, or set HONE_URL to its address."
        return f"{host} did not answer: {error or type(error).__name__}."


def refused(response: httpx.Response) -> Refused:
    """The exception that says what a response refuses. Reads and closes it."""
    problem: dict[str, Any] = {}
    with closing(response), suppress(ValueError, httpx.TransportError):
        response.read()
        said = response.json()
        problem = said if isinstance(said, dict) and "detail" in said else {}
    status = response.status_code
    detail = str(problem.get("detail") or f"The server answered {status} {response.reason_phrase}.")
    kind = BY_STATUS.get(status, Refused)
    refusal = kind(status, detail, problem.get("errors") or {}, problem.get("request_id"))
    if isinstance(refusal, (TooMany, Unavailable)):
        refusal.retry_after = _retry_after(response.headers.get("retry-after"))
    return refusal


def _retry_after(given: str | None) -> float | None:
    """Seconds, from seconds or a date; None where there is nothing that can be read."""
    if not given:
        return None
    if given.strip().isdigit():
        return float(given)
    with suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    return None


def _is_json(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("application/json")


def _given(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was not left out, as JSON has it."""
    return {name: _plain(value) for name, value in (values or {}).items() if value is not OMIT}


def _filled(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """What has a value: a query or a form has no null."""
    return {name: value for name, value in (values or {}).items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
