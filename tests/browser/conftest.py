"""A real browser at a real server.

`server`    the application under uvicorn on a free port, over this test's own `database`; `server.url`,
            `server.stop()`, `server.start()` (the same port again).
`browser`   Debian's Chromium, one for the session.
`page`      a page in a context of its own; every request to another host, console error and page error fails the test.
`sign_in`   `sign_in(page, user)`: hold a session's cookie of that person.
`work`      `work(pairs=3, texts=[...], **answer settings)`: an annotator at the labelling screen of a new project.
`platform`  a real `hone up` with all its processes; `platform_page` is a page there.
"""

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from app.models import User
from tests import factories
from tests.asking import asking
from tests.browser.labelling import MakeWork, Work
from tests.faults.platform import Platform
from tests.ports import free_port

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"

expect.set_options(timeout=20_000)
os.environ.setdefault("HONE_SECRET_KEY", "a key for tests only, of the length that is asked")


class Server:
    """uvicorn in a thread of this process."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, and return once requests are answered."""
        from app.main import app

        self._server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="warning", timeout_graceful_shutdown=2)
        )
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{self.url}/static/icon.svg", timeout=1)
                return
            except httpx.HTTPError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture
def server(database: str) -> Iterator[Server]:
    """The application over this test's own database."""
    running = Server()
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="package")  # no longer: its event loop would be in the way of tests that run one of their own
def browser() -> Iterator[Browser]:
    """Chromium as the system has it."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is needed for the browser tests: apt-get install chromium, or set CHROMIUM to its path."
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as made:
        made.set_default_timeout(10_000)
        yield made


@pytest.fixture
def faults() -> list[str]:
    """What went wrong in the page: console errors, page errors, requests to other hosts. A test that cuts the line
    on purpose empties it."""
    return []


@pytest.fixture
def page(context: BrowserContext, server: Server, faults: list[str]) -> Iterator[Page]:
    """A page that may load nothing from elsewhere and must not err."""
    opened = context.new_page()
    opened.on("pageerror", lambda error: faults.append(f"page error: {error}"))
    opened.on("console", lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None)
    opened.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((server.url, "data:", "blob:"))
            else faults.append(f"request to {request.url}")
        ),
    )
    yield opened
    assert faults == []


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A real `hone up` with a tiny model, shared by the files that one process runs."""
    running = Platform(tmp_path_factory.mktemp("platform") / "data")
    try:
        yield running.start()
    finally:
        left = running.stop()
    assert left == []


@pytest.fixture
def platform_page(context: BrowserContext, faults: list[str]) -> Iterator[Page]:
    """A page at the platform: nothing it asks for may be refused."""
    opened = context.new_page()
    opened.on("pageerror", lambda error: faults.append(f"page error: {error}"))
    opened.on(
        "response",  # 409: a policy without evidence has to be confirmed
        lambda answer: (
            faults.append(f"{answer.status} {answer.url}") if answer.status not in (200, 201, 303, 304, 409) else None
        ),
    )
    yield opened
    assert faults == []


@pytest.fixture
def sign_in(server: Server) -> Callable[[Page, User], None]:
    """Give the page's browser a session of this person."""
    from app.db import task_session
    from app.web.csrf import SESSION_COOKIE
    from app.web.signing import digest

    def enter(page: Page, user: User) -> None:
        token = uuid4().hex
        with task_session() as session:
            factories.web_session(
                session, user, token_hash=digest(token), expires_at=datetime.now(UTC) + timedelta(hours=1)
            )
        page.context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": server.url}])

    return enter


@pytest.fixture
def serious_faults() -> Callable[[Page], list[str]]:
    """What axe-core finds serious or critical on the page as it stands (WCAG 2.2 AA)."""

    def look(page: Page) -> list[str]:
        page.emulate_media(reduced_motion="reduce")  # a colour half-way to another one has no contrast of its own
        page.evaluate(AXE.read_text() + "; null")
        found = page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        )
        return [
            f"{rule['id']} ({rule['impact']}): {node['html'][:200]}"
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    return look


@pytest.fixture
def work(server: Server, page: Page, sign_in: Callable[[Page, User], None]) -> MakeWork:
    """`work(pairs=3, texts=[...], **answer settings)` signs the annotator in; the page is not opened yet."""
    from app.db import task_session

    def make(items: int = 3, texts: list[tuple[str, str, str]] | None = None, **answer: Any) -> Work:
        with task_session() as session:
            project = factories.project(session, answer=asking(**answer), guidelines="Prefer the **kinder** answer.")
            user = factories.user(session, name="Ada")
            factories.member(session, project, user)
            rows = texts or [(f"Question {n}?", f"First answer {n}.", f"Second answer {n}.") for n in range(items)]
            for place, (prompt, one, two) in enumerate(rows):
                row = factories.prompt(session, project, prompt)
                a, b = (factories.response(session, row, project.base_model, text=text) for text in (one, two))
                factories.item(session, row, project.base_model, responses=[a, b], rank=float(place))
        sign_in(page, user)
        return Work(project.id, user, f"{server.url}/projects/{project.id}/label")

    return make
