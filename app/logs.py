"""How the platform's processes write their logs: as text, or as a JSON object a line with the ids of the request and of
the run that a line belongs to. Knows no table.

One id goes through: a request's is kept with the run that it queued, the worker that takes the run speaks of both, and
so does the trainer, which is handed them in its environment (`rlhf.log_lines`).
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from app.settings import get_settings

TEXT = "%(levelname)s %(name)s: %(message)s"
LONGEST = 8_192  # characters of a message, and of a trace

# PostgreSQL quotes rows there: an e-mail that is taken, what somebody wrote. Such a text may have several lines.
_ROWS = re.compile(
    r"\n(?:DETAIL|CONTEXT):  .*?(?=\n\[SQL: |\n\nThe above exception |\n\nDuring handling |\Z)", re.DOTALL
)

_request: ContextVar[str | None] = ContextVar("request", default=None)
_run: ContextVar[int | None] = ContextVar("run", default=None)


def enter_request(request_id: str) -> None:
    """What this task, and the threads that work for it, do from now on is done for a request."""
    _request.set(request_id)


def request_id() -> str | None:
    """The id of the request that is served here, if any."""
    return _request.get()


@contextmanager
def for_run(run_id: int, request: str | None) -> Iterator[None]:
    """Work on a run, which a request may have queued."""
    run_before, request_before = _run.set(run_id), _request.set(request)
    try:
        yield
    finally:
        _run.reset(run_before)
        _request.reset(request_before)


def ids() -> dict[str, str | int]:
    """What lines belong to just now."""
    found = {"request": _request.get(), "run": _run.get()}
    return {name: value for name, value in found.items() if value is not None}


def without_rows(text: str) -> str:
    """`text` without what PostgreSQL tells of rows in an error."""
    return _ROWS.sub("", text)


def cut(text: str) -> str:
    """`text`, or its beginning where it is too long for a line, with a word on how much is missing."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]} … (cut: {len(text):,} characters)"


class Lines(logging.Formatter):
    """Lines as HONE_LOG_FORMAT asks for them."""

    def __init__(self) -> None:
        super().__init__(TEXT)
        self._json = get_settings().log_format == "json"

    def formatMessage(self, record: logging.LogRecord) -> str:
        """See logging's."""
        record.message = cut(without_rows(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        """See logging's. The end of a trace says the most."""
        text = without_rows(super().formatException(ei))  # type: ignore[arg-type]
        return text if len(text) <= LONGEST else f"(cut: {len(text):,} characters) … {text[-LONGEST:]}"

    def format(self, record: logging.LogRecord) -> str:
        """See logging's."""
        if not self._json:
            return super().format(record)
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": cut(without_rows(record.getMessage())),
            **ids(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure() -> None:
    """Have everything that this process logs go to stderr as `Lines`, unless whoever runs it has set up logging."""
    level = get_settings().log_level.upper()
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(Lines())
        root.addHandler(handler)
    root.setLevel(level)
