"""How `hone` reaches the API: that of another machine by HONE_URL and HONE_TOKEN, or this machine's own.

On the machine itself no web server has to run: the application is served on a socket that only this user can open, for
the time of the command, to a session of the person who acts. So a command does what the API does, wherever it runs.
"""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
import uvicorn
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import async_db
from app.accounts import queries, sessions
from app.db import task_session
from app.models import Project, User
from app.settings import get_settings
from app.web import csrf
from app.web.errors import NotFound
from hone_client import Client
from workers.platform.folder import Unusable
from workers.platform.services import connected

As = Annotated[str | None, typer.Option("--as", help="E-mail of who does it; default: the first administrator.")]


def elsewhere() -> bool:
    """Whether the commands are for another machine's Hone."""
    return bool(os.environ.get("HONE_URL"))


def acting(session: Session, email: str | None) -> User:
    """Who acts: the person with this e-mail, else the first administrator."""
    if email is not None:
        user = queries.user_by_email(session, email)
        if user is None:
            raise NotFound(f"There is nobody with the e-mail {email}; `hone users` lists everybody.")
        return user
    admin = session.scalar(select(User).where(User.is_admin, User.disabled_at.is_(None)).order_by(User.id).limit(1))
    if admin is None:
        raise NotFound("There is no administrator yet; start the platform once with `hone up`.")
    return admin


def project_of(session: Session, number: int) -> Project:
    """The project with this number."""
    project = session.get(Project, number) if 0 < number < 2**63 else None
    if project is None or project.goes_since is not None:
        raise NotFound(f"There is no project {number}; `hone projects` lists them.")
    return project


@contextmanager
def client(as_: str | None = None) -> Iterator[Client]:
    """A client of the API for one command."""
    if not elsewhere():
        with connected(), _here(as_) as here:
            yield here
        return
    if not (token := os.environ.get("HONE_TOKEN")):
        raise Unusable("Set HONE_TOKEN to a token of your account page at HONE_URL.")
    if as_ is not None:
        raise Unusable("At HONE_URL the token says who acts; leave --as out.")
    with Client(os.environ["HONE_URL"], token) as there:
        yield there


@contextmanager
def _here(as_: str | None) -> Iterator[Client]:
    with task_session() as session:
        token = sessions.start_command(session, acting(session, as_))
    headers = {"Cookie": f"{csrf.SESSION_COOKIE}={token}", csrf.HEADER: csrf.token_of(token)}
    try:
        with _served() as socket:
            transport = httpx.HTTPTransport(uds=str(socket))
            address = str(httpx.URL(get_settings().base_url).copy_with(scheme="http"))
            with Client(address, headers=headers, transport=transport) as here:
                yield here
    finally:
        with task_session() as session:
            sessions.end(session, token)


@contextmanager
def _served() -> Iterator[Path]:
    """The application, served in another thread on the socket of this path."""
    from app.main import app

    with tempfile.TemporaryDirectory(prefix="hone-") as folder:  # of this user alone
        socket = Path(folder) / "api"
        config = uvicorn.Config(app, uds=str(socket), lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)

        async def serve() -> None:
            try:
                await server.serve()
            finally:
                await async_db.close()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="api", daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                raise Unusable(f"The API could not be served in {folder}; is the disk full?")
            time.sleep(0.005)
        try:
            yield socket
        finally:
            server.should_exit = True
            thread.join()
