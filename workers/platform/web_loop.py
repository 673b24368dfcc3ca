"""The event loop of web processes that share one listening socket: each leaves the next connection to the others.

Browsers keep their connections, so a process that took several of a burst would answer for those people as long as they
stay, while another idles. It does not know what is served; uvicorn is told of it by name (`--loop`).
"""

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Any

import uvloop

PAUSE = 0.002  # seconds between two connections that one process takes: ample for another to wake up
_NO_MORE = 1.0  # seconds to wait where the system has no file or memory left for a connection

log = logging.getLogger(__name__)


class SharingLoop(uvloop.Loop):
    """uvloop, taking one connection at a time from a socket that is given."""

    async def create_server(self, protocol_factory: Any, *args: Any, **more: Any) -> Any:
        """As asyncio's; what it returns for a plain given socket has `close` and `wait_closed` only."""
        given = more.get("sock")
        if given is None or more.get("ssl") is not None:
            return await super().create_server(protocol_factory, *args, **more)
        given.setblocking(False)
        given.listen(more.get("backlog", 100))
        return _Acceptor(self, protocol_factory, given)


class _Acceptor:
    def __init__(self, loop: SharingLoop, protocol_factory: Any, listening: socket.socket) -> None:
        self._task = loop.create_task(self._accept(loop, protocol_factory, listening))

    async def _accept(self, loop: SharingLoop, protocol_factory: Any, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except ConnectionError:  # gone while it waited
                continue
            except OSError as error:
                log.warning("no connection could be taken: %s", error)
                await asyncio.sleep(_NO_MORE)
                continue
            with suppress(OSError):  # gone meanwhile
                await loop.connect_accepted_socket(protocol_factory, connection)
            await asyncio.sleep(PAUSE)

    def close(self) -> None:
        self._task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.wait([self._task])
