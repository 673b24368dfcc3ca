"""A TCP proxy that can go silent or break off, to stand between a process and its database, Redis or model server.

`freeze()`   nothing passes either way and nobody is told: what a cut cable or a firewall that forgot does. Connections
             that are open stay open, new ones are taken and hear nothing.
`thaw()`     everything passes again, what was sent meanwhile first.
`cut()`      every open connection is reset; new ones pass, unless `refuse()`.
`refuse()`   new connections are refused, as by a server that is not running, until `accept()`.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from threading import Thread
from types import TracebackType
from typing import Any

_CHUNK = 65536


class Proxy:
    """Listens on `port` of an address, the loopback interface's if none is given, and passes everything on to `target`,
    a (host, port) or the path of a Unix socket."""

    def __init__(self, target: tuple[str, int] | str, address: str = "127.0.0.1") -> None:
        self._target, self._address = target, address
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.taken = 0  # connections so far
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.refuse()
        self.cut()
        self._call(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def freeze(self) -> None:
        """Let nothing pass."""
        self._call(self._freeze)

    def thaw(self) -> None:
        """Let everything pass."""
        self._call(self._thaw)

    def cut(self) -> None:
        """Reset every open connection, on both sides."""
        self._call(self._cut)

    def refuse(self) -> None:
        """Stop listening."""
        self._call(self._refuse)

    def accept(self) -> None:
        """Listen, on the same port as before."""
        self._call(self._accept)

    def _call(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(act(), self._loop).result(10)

    async def _freeze(self) -> None:
        self._flowing.clear()

    async def _thaw(self) -> None:
        self._flowing.set()

    async def _accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self._address, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for writer in list(self._open):
            sock: Any = writer.get_extra_info("socket")
            if writer.transport.is_closing():  # by the other side, a moment ago
                continue
            if sock is not None and sock.family != socket.AF_UNIX:  # closed with a reset, not in order
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        self._open.add(writer)
        onward = None
        try:
            await self._flowing.wait()
            if isinstance(self._target, str):
                there, onward = await asyncio.open_unix_connection(self._target)
            else:
                there, onward = await asyncio.open_connection(*self._target)
            self._open.add(onward)
            passing = [asyncio.ensure_future(self._pass(*way)) for way in ((reader, onward), (there, writer))]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in passing:
                    each.cancel()
                await asyncio.gather(*passing, return_exceptions=True)
        except (OSError, asyncio.CancelledError):  # the server is not there, so neither are we; or the test is over
            pass
        finally:
            for end in (writer, onward):
                if end is not None:
                    self._open.discard(end)
                    end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        await self._flowing.wait()  # nor is the end of a connection heard through a dead cable
