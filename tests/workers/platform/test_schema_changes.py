"""Migrations of tables in use: people go on labelling, a killed one is run again, and new ones keep to the rules."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from alembic import command
from sqlalchemy import Connection, event, text

from app.annotation import RawLabel
from app.db import get_engine, task_session
from app.labels import leases, service
from app.labels.new_label import read_label
from app.models import Project, User
from app.resources import MIGRATIONS
from tests import factories
from tests.asking import asking
from tests.children import ended
from tests.faults.crowd import crowd
from workers.platform import migrate as migrating
from workers.platform.migrate import config, migrate

CHANGES = '''
"""A column, a check and an index more

Revision ID: 9001
Revises: {head}
"""
import sqlalchemy as sa
from app.schema_changes import add_column, add_constraint, add_index, fill, require

revision, down_revision = "9001", "{head}"

def upgrade():
    add_column("label", sa.Column("weight", sa.Float(), server_default="1", nullable=False))
    add_column("label", sa.Column("minutes", sa.Float()))
    fill("label", "minutes = coalesce(seconds, 0) / 60", "minutes is null")
    add_constraint("label", "ck_label_weight", "check (weight > 0)")
    add_constraint("label", "fk_label_twin", "foreign key (item_id) references item (id)")
    add_index("ix_label_weight", "label", ["project_id", "weight"])
'''
MADE = """select
    (select count(*) from pg_constraint where conname in ('ck_label_weight', 'fk_label_twin') and convalidated),
    (select indisvalid from pg_index where indexrelid = to_regclass('ix_label_weight')),
    (select count(*) filter (where weight is distinct from 1) from label)"""


@pytest.fixture
def changes(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Adds a migration of this text to those there are."""
    folder = shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    monkeypatch.setattr(migrating, "MIGRATIONS", folder)
    [head] = _heads()

    def add(source: str) -> None:
        (folder / "versions" / "9001_more.py").write_text(source.replace("{head}", head))

    return add


def _heads() -> list[str]:
    with get_engine().connect() as connection:
        return list(connection.execute(text("select version_num from alembic_version")).scalars())


class Labelling:
    """Somebody who labels all the time."""

    def __init__(self) -> None:
        with task_session() as session:
            project, _ = crowd(session, 0)
            person = factories.user(session)
            factories.member(session, project, person)
            self.ids = project.id, person.id
        self.longest, self.count, self._enough = 0.0, 0, Event()
        self._thread = Thread(target=self._work)

    def __enter__(self) -> "Labelling":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._enough.is_set():
            began = time.monotonic()
            with task_session() as session:
                project, person = session.get_one(Project, self.ids[0]), session.get_one(User, self.ids[1])
                task = leases.claim_item(session, project, person)
                assert task is not None
                answer = read_label(asking(), "comparison", RawLabel("left"))
                member = next(each for each in project.members if each.user_id == person.id)
                self.count += service.submit(session, project, person, member, task.id, answer).status == 200
            self.longest = max(self.longest, time.monotonic() - began)

    def until(self, more: int) -> None:
        """Until so many further labels are there."""
        wanted, deadline = self.count + more, time.monotonic() + 60
        while self.count < wanted:
            assert self._thread.is_alive(), "labelling failed"
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_people_label_while_a_migration_changes_their_table(changes: Callable[[str], None]) -> None:
    """And somebody else reads labels for long, as an export does, so that the migration has to give way."""
    changes(CHANGES)
    told: list[str] = []
    with Labelling() as labelling, get_engine().connect() as reader:
        labelling.until(20)
        reader.execute(text("select count(*) from label"))
        upgrade, another = (Thread(target=migrate, kwargs={"tell": told.append}) for _ in range(2))
        upgrade.start()
        another.start()  # and waits for its turn
        before = labelling.count
        time.sleep(5)
        assert labelling.count > before
        reader.rollback()
        for each in (upgrade, another):
            each.join(60)
            assert not each.is_alive()
        labelling.until(20)
    assert any("trying again" in line for line in told)
    assert labelling.longest < 3, "as long as the reader read"
    with get_engine().connect() as connection:
        assert tuple(connection.execute(text(MADE)).one()) == (2, True, 0)
    assert _heads() == ["9001"]


def test_a_migration_gives_way_to_somebody_who_locks_its_tables_the_other_way_round(
    changes: Callable[[str], None],
) -> None:
    """A foreign key locks its own table and then the other one; who labels writes to the other one first."""
    changes(CHANGES)
    with task_session() as session:
        crowd(session, 0)
    told: list[str] = []
    waiting = text("select count(*) from pg_locks where relation = 'item'::regclass and not granted")
    with get_engine().connect() as person, get_engine().connect() as looking:
        looking = looking.execution_options(isolation_level="AUTOCOMMIT")
        person.execute(text("update item set rank = rank"))
        upgrade = Thread(target=migrate, kwargs={"tell": told.append})
        upgrade.start()
        deadline = time.monotonic() + 60
        while not looking.execute(waiting).scalar():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        person.execute(text("update label set late = late"))
        person.commit()
        upgrade.join(60)
        assert not upgrade.is_alive()
        assert any("trying again" in line for line in told)
        assert looking.execute(text(MADE)).one()[:2] == (2, True)
    assert _heads() == ["9001"]


def test_a_killed_migration_is_run_again_and_its_half_made_index_made_anew(
    changes: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes(CHANGES)
    with task_session() as session:
        crowd(session, 0)
    code = (
        "import sys; from pathlib import Path; from workers.platform import migrate as m; "
        "m.MIGRATIONS = Path(sys.argv[1]); m.migrate()"
    )
    making = text(
        "select pid from pg_stat_activity where datname = current_database() and query ilike 'create index concurr%'"
    )
    state = text("select indisvalid from pg_index where indexrelid = to_regclass('ix_label_weight')")
    with get_engine().connect() as looking, get_engine().connect() as old:
        looking = looking.execution_options(isolation_level="AUTOCOMMIT")
        old.execution_options(isolation_level="REPEATABLE READ").execute(text("select 1 from project"))
        upgrade = ended(subprocess.Popen([sys.executable, "-c", code, str(migrating.MIGRATIONS)]))
        deadline = time.monotonic() + 60
        while looking.execute(state).scalar() is None:  # it is there, and waits for the old transaction
            assert time.monotonic() < deadline
            time.sleep(0.1)
        upgrade.send_signal(signal.SIGKILL)
        upgrade.wait()
        for pid in looking.execute(making).scalars().all():
            looking.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        assert looking.execute(state).scalar() is False
        assert _heads() != ["9001"]
        old.rollback()
        assert migrate() is True
        assert looking.execute(state).scalar() is True
        assert tuple(looking.execute(text(MADE)).one()) == (2, True, 0)
    assert _heads() == ["9001"]


def test_a_column_that_became_full_is_required_without_reading_the_rows_under_a_lock(
    changes: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    changes(
        CHANGES.replace('    add_index("ix_label_weight", "label", ["project_id", "weight"])\n', "")
        + '    require("label", "minutes")\n'
    )
    with Labelling() as labelling:
        labelling.until(10)
    migrate()
    with get_engine().connect() as connection:
        null = text("select is_nullable from information_schema.columns where column_name = 'minutes'")
        assert connection.execute(null).scalar() == "NO"
        assert connection.execute(text("select count(*) from label where minutes is null")).scalar() == 0
        assert connection.execute(text("select count(*) from pg_constraint where conname like '%given'")).scalar() == 0


# What grows with labels, chats and runs: a lock of seconds there is seen by everybody.
LARGE = "assignment|audit_event|conversation|item|item_response|label|preference|prompt|response|response_features"
LARGE += "|response_score|run_metric|run_sample|snapshot_label|turn|turn_comparison"
FIRST_WITH_RULES = "0036"


def blocking(statement: str) -> str | None:
    """What a statement of a migration would hold everybody up with, and what to write in its place."""
    said = " ".join(statement.lower().replace('"', "").split())
    if re.match(rf"create (unique )?index (?!concurrently).* on ({LARGE})\b", said):
        return "an index that is made under a lock: use add_index"
    if re.match(rf"(update|delete from) ({LARGE})\b", said):
        return "all rows written in one transaction: use fill"
    if not re.match(rf"alter table ({LARGE}) ", said):
        return None
    if (
        re.search(r"add (constraint|check|foreign key|unique|primary key)|references ", said)
        and "not valid" not in said
    ):
        return "a constraint that is proved under a lock: use add_constraint"
    if re.search(r"alter column \w+ (set data )?type", said):
        return "a column that is written anew: add another one and fill it"
    return None


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("CREATE INDEX ix_label_x ON label (project_id)", "use add_index"),
        ('create unique index ix on "item" (id)', "use add_index"),
        ("CREATE INDEX CONCURRENTLY ix_label_x ON label (project_id)", None),
        ("CREATE INDEX ix_project_x ON project (name)", None),
        ("ALTER TABLE label ADD CONSTRAINT ck CHECK (seconds > 0)", "use add_constraint"),
        ("ALTER TABLE label ADD COLUMN other INTEGER REFERENCES model (id)", "use add_constraint"),
        ('alter table "label" add constraint "ck" check (seconds > 0) not valid', None),
        ("ALTER TABLE label ADD COLUMN weight FLOAT DEFAULT '1' NOT NULL", None),
        ("ALTER TABLE turn ALTER COLUMN content TYPE VARCHAR(9)", "add another one"),
        ("UPDATE response SET text = 'x'", "use fill"),
        ("update project set name = 'x'", None),
    ],
)
def test_statements_that_hold_everybody_up_are_known(statement: str, says: str | None) -> None:
    found = blocking(statement)
    assert (found is None) if says is None else (found is not None and says in found)


@pytest.fixture
def before_rules(database: str) -> Iterator[Connection]:
    """A database of the last schema that was made before there were rules."""
    with get_engine().connect() as connection:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
        alembic = config()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, f"{int(FIRST_WITH_RULES) - 1:04}")
        yield connection


def test_new_migrations_keep_to_the_rules(before_rules: Connection) -> None:
    """docs/operations.md says what they are and why; app/schema_changes.py is the way to keep them."""
    said: list[str] = []
    event.listen(before_rules, "before_cursor_execute", lambda *given: said.append(given[2]))
    files = text(f"select relname, pg_relation_filenode(oid) from pg_class where relname ~ '^({LARGE})$'")
    were = dict(map(tuple, before_rules.execute(files)))
    assert len(were) == len(LARGE.split("|"))
    alembic = config()
    alembic.attributes["connection"] = before_rules
    command.upgrade(alembic, "head")
    are = dict(map(tuple, before_rules.execute(files)))
    assert [f"{why}: {one}" for one in said if (why := blocking(one))] == []
    assert {name: file for name, file in were.items() if are.get(name, file) != file} == {}, "written anew under a lock"
