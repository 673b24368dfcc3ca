"""Statements from the event loop: each a transaction of its own, over few connections that may break."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from app import async_db, settings
from app.db import DatabaseNotConfigured
from app.labels import turn

PID = text("select pg_backend_pid() as pid, cast(:word as text) as word")


def run(scene: Callable[[], Awaitable[Any]]) -> Any:
    """A scene in an event loop of its own, whose connections are closed in the end."""

    async def closing() -> Any:
        try:
            return await scene()
        finally:
            await async_db.close()

    return asyncio.run(closing())


def test_a_statement_is_committed_by_itself(database: str) -> None:
    model = text(
        "insert into model (kind, name, source, artifact, state) values ('base', :name, 's', 'a', 'ready') returning id"
    )

    async def scene() -> tuple[Any, Any, Any]:
        made = await async_db.fetch_one(model, {"name": "100% new"})
        with psycopg.connect(database.replace("+psycopg", "")) as other:
            seen = other.execute("select name from model where id = %s", (made.id,)).fetchone()
        return made, seen, await async_db.fetch_one(text("select 1 as one where :no"), {"no": False})

    made, seen, nothing = run(scene)
    assert made.id > 0
    assert seen == ("100% new",)
    assert nothing is None


def test_more_at_once_than_connections_wait_for_their_turn(database: str) -> None:
    slow = text("select pg_backend_pid() as pid, pg_sleep(0.02)")

    async def scene() -> list[Any]:
        return await asyncio.gather(*(async_db.fetch_one(slow, {}) for _ in range(60)))

    rows = run(scene)
    assert len(rows) == 60
    assert 1 < len({row.pid for row in rows}) <= async_db.CONNECTIONS


def test_broken_connections_are_told_once_each_and_replaced(database: str) -> None:
    others = """
        select pg_terminate_backend(pid, 5000) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
    """

    async def scene() -> tuple[int, int, int]:
        first = await async_db.fetch_one(PID, {"word": "first"})
        with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as other:
            other.execute(others)
        for broken in range(async_db.CONNECTIONS + 1):
            try:
                return first.pid, broken, (await async_db.fetch_one(PID, {"word": "again"})).pid
            except psycopg.OperationalError:
                continue
        raise AssertionError("none was replaced")

    before, broken, after = run(scene)
    assert broken > 0
    assert before != after


def test_a_plan_from_when_a_table_was_empty_does_not_read_it_whole(database: str) -> None:
    explain = "explain (format json) select id from label where annotator_id = {} order by id desc limit 20"

    async def scene() -> str:
        with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("vacuum (analyze) label")
            plain = str(other.execute(explain.format(1)).fetchone())
        assert "Seq Scan" in plain
        return str(await async_db.fetch_one(text(explain.format(":user")), {"user": 1}))

    assert "Index" in (plan := run(scene))
    assert "Seq Scan" not in plan


def test_a_claim_planned_while_nobody_has_labelled_looks_at_the_items_leases_alone(database: str) -> None:
    """Not at all that the person ever had, of which there are more with each label."""
    asked = turn.searching(project_id=1, user_id=1, minutes=30, order=range(8))

    async def scene() -> str:
        return str(await async_db.fetch_one(text(f"explain (format json) {turn.CLAIM.text}"), asked))

    assert "pk_item" in (plan := run(scene))
    assert "ix_assignment_annotator_recent" not in plan


def test_progress_is_counted_without_a_search_through_everybodys_labels(database: str) -> None:
    asked = {"user": 1, "project": 1, "since": datetime.now(UTC), "counted": 0}
    labels = """
        insert into label (project_id, item_id, annotator_id, assignment_id, value, "order", seconds, comment)
        select 1, i, i % 50, i, '{"kind": "comparison", "choice": "first"}', '{0,1}', 3, repeat('so ', 100)
        from generate_series(1, 5000) i
    """

    async def scene() -> str:
        with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("set session_replication_role = replica")  # labels of nobody's; never analysed
            other.execute(labels)
        return str(await async_db.fetch_one(text(f"explain (format json) {turn.COUNT_SINCE.text}"), asked))

    assert "ix_label_assignment_id" in (plan := run(scene))
    assert "pk_label" not in plan


def test_a_mistake_in_a_statement_leaves_the_connection_usable(database: str) -> None:
    async def scene() -> Any:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await async_db.fetch_one(text("select 1 / :nothing"), {"nothing": 0})
        return await async_db.fetch_one(PID, {"word": "well"})

    assert run(scene).word == "well"


def test_a_database_that_is_away_is_told_soon(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.get_settings.cache_clear()

    async def scene() -> None:
        await async_db.fetch_one(PID, {"word": "hello?"})

    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        run(scene)
    assert time.monotonic() - began < 6


def test_without_a_database_there_is_a_word_for_it(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        await async_db.fetch_one(PID, {"word": "hello?"})

    with monkeypatch.context() as environment:
        environment.delenv("DATABASE_URL")
        settings.get_settings.cache_clear()
        with pytest.raises(DatabaseNotConfigured):
            run(scene)
    settings.get_settings.cache_clear()


def test_the_labelling_turn_is_short_enough_for_psycopg_to_remember() -> None:
    from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

    for statement in (turn.SAVE_AND_CLAIM, turn.SAVE_AND_CLAIM_CHECK):
        assert len(async_db._as_psycopg(statement)) <= MAX_CACHED_STATEMENT_LENGTH
