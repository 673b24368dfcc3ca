"""Rows that the database refuses: somebody was quicker, which a second try may mend, or a fault of ours, which it does
not."""

import pytest
from psycopg import errors
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request

from app.web.problems import collided

PAGE = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "state": {"request_id": "1"}}
WANTS = {"headers": [(b"accept", b"application/json")]}


@pytest.mark.parametrize(
    ("cause", "status", "words"),
    [
        (errors.UniqueViolation, 409, "changed at the same moment"),
        (errors.ForeignKeyViolation, 409, "changed at the same moment"),
        (errors.NotNullViolation, 500, "Something broke on our side"),
        (errors.CheckViolation, 500, "Something broke on our side"),
    ],
)
def test_only_a_race_is_called_one(cause: type[Exception], status: int, words: str) -> None:
    refusal = collided(Request(PAGE | WANTS), IntegrityError("insert", {}, cause("no")))
    assert refusal.status_code == status
    assert words in bytes(refusal.body).decode()
