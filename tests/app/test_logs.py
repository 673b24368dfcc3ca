"""Lines of logs: text or objects, with the ids that they belong to, and never too long."""

import io
import json
import logging
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app import logs
from app.settings import get_settings
from tests import factories


@pytest.fixture
def written(monkeypatch):
    """What a logger writes in a format."""

    def write(format_: str, message: str, *args: object, error: BaseException | None = None) -> str:
        monkeypatch.setenv("HONE_LOG_FORMAT", format_)
        get_settings.cache_clear()
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logs.Lines())
        logger = logging.Logger("app.part")
        logger.addHandler(handler)
        logger.warning(message, *args, exc_info=error)
        return stream.getvalue()

    yield write
    get_settings.cache_clear()


def test_text_is_as_it_was(written):
    assert written("text", "run %d", 5) == "WARNING app.part: run 5\n"


def test_an_object_says_when_who_what_and_what_it_belongs_to(written):
    with logs.for_run(5, "click-1"):
        line = json.loads(written("json", "it said\n%s", "“hm”"))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning", "logger": "app.part", "message": "it said\n“hm”", "request": "click-1", "run": 5,
    }  # fmt: skip
    assert json.loads(written("json", "later")).keys() == {"time", "level", "logger", "message"}


def raised(length: int) -> ValueError:
    try:
        raise ValueError("x" * length)
    except ValueError as error:
        return error


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_line_of_a_megabyte_is_cut_with_a_word(written, format_):
    line = written(format_, "%s", "a" * 2**20)
    assert len(line) < logs.LONGEST + 300
    assert "… (cut: 1,048,576 characters)" in line
    line = written(format_, "failed", error=raised(2**20))
    assert len(line) < logs.LONGEST + 500
    assert "(cut: 1,048," in line
    assert "ValueError" in written(format_, "failed", error=raised(10))


@pytest.mark.parametrize("format_", ["text", "json"])
def test_an_error_of_the_database_says_nothing_of_rows(written, session, format_):
    """Somebody's e-mail that is taken, and a text of several lines."""
    for column, value, email in (
        ("email", "ana@example.org", "email"),
        ("name", "two\n\nlines and no\nend", "'x' || email"),
    ):
        factories.user(session, **{column: value})
        session.execute(text(f'create unique index one_{column} on "user" ({column})'))
        try:
            with session.begin_nested():
                newest = f'select {email}, name from "user" order by id desc limit 1'
                session.execute(text(f'insert into "user" (email, name) {newest}'))
            pytest.fail("it was taken")
        except IntegrityError as error:
            taken = error
        try:
            raise RuntimeError("and then") from taken
        except RuntimeError as error:
            later = error
        assert value in str(taken)
        for line in (written(format_, "refused: %s", taken), written(format_, "broken", error=later)):
            assert value.split("\n")[-1] not in line
            assert "duplicate key value violates unique constraint" in line
            assert "insert into" in line
        assert "RuntimeError: and then" in line


def test_a_request_leaves_its_id_on_every_line(client, cast, monkeypatch, caplog):
    seen = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.name, logs.request_id()))

    handler = Keep()
    logging.getLogger("app").addHandler(handler)
    try:
        with caplog.at_level(logging.INFO):
            client.get("/no/such/page", headers={"X-Request-ID": "click-2"})
    finally:
        logging.getLogger("app").removeHandler(handler)
    assert ("app.access", "click-2") in seen
    assert logs.request_id() is None


def test_logging_that_somebody_has_set_up_is_left_alone():
    handlers = list(logging.getLogger().handlers)
    assert handlers, "pytest's"
    logs.configure()
    assert logging.getLogger().handlers == handlers
    assert sys.stderr is not None
