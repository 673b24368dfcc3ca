"""The large project of the benches, made small: its SQL fits the tables, and every page that is timed is there."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert
from starlette.testclient import TestClient

from app import models as m
from app.db import get_engine
from app.web.csrf import SESSION_COOKIE
from app.web.signing import digest
from bench.pages import ANNOTATOR, MANAGER, build, pages


def test_every_page_that_is_timed_answers(database: str) -> None:
    from app.main import app

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with get_engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        build(connection, divisor=100)
        for person in (MANAGER, ANNOTATOR):
            row = {"token_hash": digest(f"token {person}"), "user_id": person, "expires_at": tomorrow}
            connection.execute(insert(m.WebSession), row)
        addresses = pages(connection)
    with TestClient(app, base_url="http://localhost") as client:
        for name, (person, address) in addresses.items():
            client.cookies.set(SESSION_COOKIE, f"token {person}", domain="localhost.local", path="/")
            assert (name, client.get(address).status_code) == (name, 200)
