"""HTTP/1.1 for the web server, with an end to a request whose head comes too slowly or is too long. uvicorn is told
of it by name (`--http`). What a body may take is in `app.web.patience`, which can answer with a page.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0  # from the connection, or from the first byte of a further request
MOST_HEAD = 65_536  # bytes
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 33\r\nconnection: close\r\n\r\nThe head of the request is large."
)


class Patient(HttpToolsProtocol):
    """uvicorn's protocol, which would wait for a head as long as the connection holds, and keep all of it."""

    _head_timer: asyncio.TimerHandle | None = None
    _head = 0  # bytes since the timer was set
    _in_head = True  # from the connection, or the first byte of a request, until its head is whole

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head += len(data)
        super().data_received(data)
        if not self._in_head:  # mostly: a head comes in one piece, and needs no timer
            return
        if self._head_timer is None:
            self._await_head()
        elif self._head > MOST_HEAD and not self.transport.is_closing():
            self._head_is_there()
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._head_is_there()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head, self._head_timer = 0, self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_is_there(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
