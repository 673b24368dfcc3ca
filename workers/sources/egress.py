"""The way out to endpoints. Each connection goes to an address that was checked when it was opened, so that nobody can
have a name stand for a public address first and for one of ours later. Knows no API.

Redirects are not followed, proxies of the environment are not asked, sockets of this machine are not opened, and
requests carry the headers that they need and no other.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2

from app.registry.addresses import refusal

MOST_OCTETS = 16 * 2**20  # of one answer: a hundred times what the longest takes
_HEADERS = {b"host", b"accept", b"content-type", b"content-length", b"transfer-encoding"}


class Forbidden(Exception):
    """The address may not be asked; the message is a sentence."""


class TooMuch(Exception):
    """The response is larger than any may be."""


class Backend(httpcore2.AsyncNetworkBackend):
    """Opens connections to addresses that may be asked."""

    def __init__(self) -> None:
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to one of the addresses that `host` stands for now. All of them must be permitted: which one is taken
        must not decide."""
        found = await _resolve(host, port, timeout)
        for address in found:
            if reason := refusal(host, ip_address(address)):
                raise Forbidden(reason)
        failure: Exception | None = None
        for address in found:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"{host} stands for no address")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        """Nothing here is to be asked by a path."""
        raise Forbidden("An endpoint is reached over the network only.")

    async def sleep(self, seconds: float) -> None:
        """As the library waits between tries."""
        await asyncio.sleep(seconds)


async def _resolve(host: str, port: int, timeout: float | None) -> list[str]:
    try:
        async with asyncio.timeout(timeout):
            rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise httpcore2.ConnectTimeout(f"no word on what {host} stands for") from None
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(f"{host} is not known: {error}") from None
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


class Transport(httpx2.AsyncHTTPTransport):
    """Connections of `Backend`, for requests to one API with one key, whose responses have a bound."""

    def __init__(self, key: str | None) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._authorization = [(b"authorization", f"Bearer {key}".encode())] if key else []
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_tls(), network_backend=Backend(), max_connections=100, max_keepalive_connections=20,
            keepalive_expiry=30.0,
        )  # fmt: skip

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request with our headers alone. What comes packed is refused: a little of it may be a lot."""
        kept = [(name, value) for name, value in request.headers.raw if name.lower() in _HEADERS]
        headers = [*kept, *self._authorization, (b"accept-encoding", b"identity"), (b"user-agent", b"hone")]
        response = await super().handle_async_request(
            httpx2.Request(
                request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
            )
        )
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise TooMuch("It packs its answers, though it was asked not to.")
        if isinstance(response.stream, httpx2.AsyncByteStream):  # as always
            response.stream = _Bounded(response.stream)
        return response


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_OCTETS
        async for part in self._inner:
            left -= len(part)
            if left < 0:
                raise TooMuch(f"Its answer has more than {MOST_OCTETS:,} octets.")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


@lru_cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
