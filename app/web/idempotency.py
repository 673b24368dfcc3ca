"""Calls that are sent twice, by a program that heard no response to the first: with an `Idempotency-Key` the second is
not carried out again, and gets the first one's response.

The key's row is written in the transaction of the call itself. So there is no moment at which the one is kept and the
other lost, two calls at once wait for each other, and a call that is refused leaves no key behind. Knows no call.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.db import task_session
from app.models import IdempotencyKey
from app.web.errors import Conflict, Invalid
from app.web.viewer import Viewer

HEADER = "Idempotency-Key"
_ANOTHER = (
    "This Idempotency-Key was sent before with another request. Choose a new key for each thing that you want done."
)
_UNFINISHED = (
    "The request with this Idempotency-Key is still being answered, or its answer broke off. What it made is there; "
    "read it, or ask again in a moment."
)

Key = Annotated[
    str | None,
    Header(
        alias=HEADER,
        min_length=1,
        max_length=200,
        description="Yours to choose. The same request sent again with it within a day is not carried out again",
    ),
]


@dataclass(frozen=True)
class Once:
    """A call that is to be carried out once: whose it is, its key, and a digest of all that was sent."""

    user_id: int
    key: str
    digest: str

    def begin(self, session: Session) -> Response | None:
        """None for the first call, which may go ahead; for a later one the answer that the first one got. Waits for a
        first one that is under way. Conflict or Invalid where there is no such response."""
        if self.add(session):
            return None
        known = session.get_one(IdempotencyKey, (self.user_id, self.key), populate_existing=True)
        if known.digest != self.digest:
            raise Invalid(_ANOTHER, HEADER)
        if known.status is None:
            raise Conflict(_UNFINISHED)
        return _response(known.status, known.body or "")

    def add(self, session: Session) -> bool:
        """Whether this is the first. Waits for one that is under way; keys of yesterday are forgotten."""
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - text("interval '1 day'")))
        added = session.scalar(
            insert(IdempotencyKey)
            .values(user_id=self.user_id, key=self.key, digest=self.digest)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        )
        return added is not None

    def keep(self, session: Session, status: int, response: Any) -> Response:
        """The response to the first call, kept beside what the call wrote. One that is still to be written is kept when
        it has been."""
        if isinstance(response, Response):
            return _KeptLater(self, response)
        body = response.model_dump_json() if isinstance(response, BaseModel) else ""
        self.note(session, status, body)
        return _response(status, body)

    def note(self, session: Session, status: int, body: str) -> None:
        """Keep a response."""
        known = session.get(IdempotencyKey, (self.user_id, self.key))
        if known is not None:  # else a day has passed
            known.status, known.body = status, body
            session.flush()


def _response(status: int, body: str) -> Response:
    return Response(body or None, status, media_type="application/json" if body else None)


class _KeptLater(Response):
    """An answer that is made while it is sent."""

    def __init__(self, once: Once, response: Response) -> None:
        self.once, self.response = once, response
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, pieces, whole = 0, [], False

        async def noting(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                pieces.append(message.get("body", b""))
                whole = not message.get("more_body", False)
            await send(message)

        await self.response(scope, receive, noting)
        if whole:
            await run_in_threadpool(self._keep, status, b"".join(pieces).decode())

    def _keep(self, status: int, body: str) -> None:
        with task_session() as session:
            self.once.note(session, status, body)


async def once(request: Request, key: Key = None) -> Once | None:
    """The call as one to be carried out once, where it brings a key. Comes after whoever says who is asking."""
    viewer: Viewer | None = getattr(request.state, "viewer", None)
    if key is None or viewer is None:  # nobody was recognised: the call is about to be refused
        return None
    return Once(viewer.id, key, await digest(request))


async def digest(request: Request) -> str:
    """Of all that was sent. Of a form its fields count and the bytes of its files, not the line between them, which is
    another each time."""
    found = sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    if "form" not in request.headers.get("content-type", ""):
        found.update(await request.body())
        return found.hexdigest()
    for name, value in (await request.form()).multi_items():
        found.update(f"\0{name}\0".encode())
        if isinstance(value, str):
            found.update(value.encode())
            continue
        while piece := await value.read(2**20):
            found.update(piece)
        await value.seek(0)
    return found.hexdigest()


Repeatable = Annotated[Once | None, Depends(once)]
