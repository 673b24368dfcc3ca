"""Migrations at start: once, by one process at a time, never backwards."""

import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Event, Thread
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import create_engine, make_url, text

from app.db import get_engine, get_patient_engine
from app.settings import get_settings
from tests.children import ended
from workers.platform.folder import Unusable
from workers.platform.migrate import config, drift, migrate


def test_the_migrated_schema_is_the_models(database: str) -> None:
    assert migrate() is False
    assert drift() == []


def test_a_schema_from_the_future_is_refused_and_left_alone(database: str) -> None:
    with get_engine().begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(Unusable, match=r"too new.*9999.*Update this copy"):
        migrate()
    with get_engine().begin() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar() == "9999"


def test_processes_that_start_together_migrate_once(database: str) -> None:
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
    engine.dispose()
    code = "from workers.platform.migrate import migrate; print(migrate())"
    command = [sys.executable, "-c", code]
    starts = [ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) for _ in range(3)]
    assert sorted(start.communicate(timeout=120)[0].strip() for start in starts) == ["False", "False", "True"]
    assert drift() == []


def test_an_upgrade_that_waits_for_a_table_holds_up_nobody_for_long(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody reads for a long time; the upgrade wants the table to itself; who reads next must not wait for both."""
    with get_engine().connect() as connection:
        alembic = config()
        alembic.attributes["connection"] = connection
        command.downgrade(alembic, "0031")  # 0032 adds a column to the table of runs, which is read below
    told: list[str] = []
    longest, ended = [0.0], Event()

    def read() -> None:
        while not ended.is_set():
            began = time.monotonic()
            with get_engine().connect() as connection:
                connection.execute(text("select count(*) from run, label, snapshot, item, response"))
            longest.append(time.monotonic() - began)

    with get_engine().connect() as reader:
        reader.execute(text("select count(*) from run, label, snapshot, item, response, project, model"))
        monkeypatch.setattr("workers.platform.migrate._TRIES", 2)
        with pytest.raises(Unusable, match=r"in use by a long transaction.*it is whole, at revision 0031"):
            migrate(tell=told.append)
        monkeypatch.setattr("workers.platform.migrate._TRIES", 120)
        thread = Thread(target=lambda: (time.sleep(4), reader.rollback()))
        others = Thread(target=read)
        thread.start()
        others.start()
        assert migrate(tell=told.append) is True
        ended.set()
        thread.join()
        others.join()
    assert any("trying again" in line for line in told)
    assert max(longest) < 3.5, "as long as the reader had, and no turn between"
    assert drift() == []


@pytest.fixture
def vacuuming(database: str, postgres_url: str) -> Iterator[str]:
    """The database at 0031, in which an automatic vacuum of the table of runs takes minutes; its address for a role
    that owns everything and is no superuser."""
    role = f"plain_{uuid4().hex[:8]}"
    with get_engine().connect() as connection:
        alembic = config()
        alembic.attributes["connection"] = connection
        command.downgrade(alembic, "0031")
    server = create_engine(database, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:

        def do(statement: str) -> None:
            connection.exec_driver_sql(statement.replace("%", "%%"))

        try:
            do(f"create role {role} login")
            do(f"alter schema public owner to {role}")
            do(
                f"""do $$ declare name text; begin
                for name in select tablename from pg_tables where schemaname = 'public'
                loop execute format('alter table %I owner to {role}', name); end loop; end $$"""
            )
            do(
                """with base as (insert into model (kind, name, state) values ('base', 'Base', 'ready') returning id),
                made as (insert into project (name, base_model_id, answer, sampling, automation)
                    select 'Old', id, '{}', '{}', '{}' from base returning id, base_model_id)
                insert into run (project_id, kind, state, config, model_id)
                select id, 'sampling', 'succeeded', jsonb_build_object('kind', 'sampling', 'prompt_ids', '[]'::jsonb,
                    'item_kind', 'comparison', 'settings', '{"n": 2, "seed": 1}'::jsonb, 'note', repeat('x', 1000)),
                    base_model_id from made, generate_series(1, 1000)"""
            )
            do(
                """alter table run set (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,
                autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)"""
            )
            do("alter system set autovacuum_naptime = '1s'")
            do("select pg_reload_conf()")
            do("delete from run where id % 2 = 0")
            at_work = "select count(*) from pg_stat_activity where query like 'autovacuum: VACUUM% public.run'"
            deadline = time.monotonic() + 60
            while not connection.execute(text(at_work)).scalar():
                assert time.monotonic() < deadline, "no vacuum began"
                time.sleep(0.05)
            yield make_url(database).set(username=role).render_as_string(hide_password=False)
        finally:
            do("alter system reset autovacuum_naptime")
            do("select pg_reload_conf()")
            do(f"reassign owned by {role} to current_user")
            do(f"drop owned by {role}")
            do(f"drop role {role}")
    server.dispose()


@pytest.mark.parametrize("superuser", [True, False])
def test_an_automatic_vacuum_gives_way_to_an_upgrade(
    vacuuming: str, superuser: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone it goes on for minutes; asked again and again for less than `deadlock_timeout` it does too."""
    if not superuser:
        get_engine().dispose()
        monkeypatch.setenv("DATABASE_URL", vacuuming)
        for cache in (get_settings, get_engine, get_patient_engine):
            cache.cache_clear()
    monkeypatch.setattr("workers.platform.migrate._TRIES", 12)
    told: list[str] = []
    assert migrate(tell=told.append) is True
    again = [line for line in told if "trying again" in line]
    assert again == [] if superuser else len(again) >= 4
    assert drift() == []


def test_tokens_from_before_scopes_keep_what_they_could_do_for_ninety_days(database: str) -> None:
    alembic = config()
    with get_engine().connect() as connection:
        alembic.attributes["connection"] = connection
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
        command.upgrade(alembic, "0009")
        connection.execute(
            text(
                """with people as (insert into "user" (email, name, is_admin)
                       values ('admin@example.org', 'Admin', true), ('ada@example.org', 'Ada', false)
                       returning id, name)
                   insert into api_token (token_hash, user_id, name) select name, id, name from people"""
            )
        )
        connection.commit()
    assert migrate() is True
    kept = "select name, scopes, expires_at - now() between interval '89 days' and interval '90 days' from api_token"
    with get_engine().connect() as connection:
        assert sorted(tuple(row) for row in connection.execute(text(kept))) == [
            ("Ada", ["read", "label", "manage"], True),
            ("Admin", ["read", "label", "manage", "admin"], True),
        ]
    assert drift() == []


def test_a_run_that_waits_leaves_out_what_its_trainer_no_longer_knows(database: str) -> None:
    alembic = config()
    with get_engine().connect() as connection:
        alembic.attributes["connection"] = connection
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
        command.upgrade(alembic, "0014")
        connection.execute(
            text(
                """with base as (insert into model (kind, name, state) values ('base', 'Base', 'ready') returning id),
                   made as (insert into project (name, base_model_id, answer, sampling, automation)
                       select 'Old', id, '{}', '{}', '{}' from base returning id, base_model_id)
                   insert into run (project_id, kind, state, config, model_id)
                   select id, 'policy', state, '{"settings": {"beta": 0.1, "missing_end_score": -1.0}}', base_model_id
                   from made, unnest(array['queued', 'succeeded']) as state"""
            )
        )
        command.upgrade(alembic, "0015")
        kept = "select state, config -> 'settings' from run"
        assert dict(map(tuple, connection.execute(text(kept)))) == {
            "queued": {"beta": 0.1},
            "succeeded": {"beta": 0.1, "missing_end_score": -1.0},
        }
