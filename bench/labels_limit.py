"""What PostgreSQL alone can do of our cycle: pgbench sends the submission and the claim in the very statement that the
application sends, in a transaction each, with nobody recognised, nothing rendered and nothing checked."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from app.async_db import PLANNING
from app.labels.turn import CLAIM, save_and_claim
from workers.platform.postgres import EmbeddedPostgres, programs

# What a cycle binds that is the same for every annotator.
_CONSTANT = {
    "project": "1",
    "minutes": "30",
    "order": "'{1,0,2,3,4,5,6,7}'",
    "level": "2",
    "rank": "0",
    "after": ":item_id",
    "kind": "'comparison'",
    "value": """'{"kind": "comparison", "choice": "first", "strength": null, "questions": {}}'""",
    "preferences": """'[{"question": "", "place": 0, "other": 1, "outcome": "first", "probability": 1}]'""",
    "reasons": "'[]'",
    "comment": "null",
    "seconds": "3",
    "since": "current_date",
    "counted": ":label_id",
}


def _script(first_person: int) -> str:
    """A cycle of the person whose number is pgbench's client; `:id`, `:item_id` and `:label_id` are of its last one."""

    def bound(statement: str) -> str:
        for name, value in _CONSTANT.items():
            statement = re.sub(rf"(?<!:):{name}\b", value, statement)
        return statement.strip()

    return f"""
        \\set user :client_id + {first_person}
        begin;
        \\if :id = 0
        {bound(CLAIM.text)} \\gset
        \\else
        {bound(save_and_claim("true").text)} \\gset
        \\endif
        commit;
        """


@contextmanager
def alone(folder: Path, annotators: int) -> Iterator[str]:
    """The database of a platform that has ended, its server running by itself, with a connection for each annotator."""
    server = EmbeddedPostgres(folder)
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.write(f"max_connections = {annotators + 20}\n")
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def limit(database: str, clients: int, seconds: int) -> float:
    """Cycles a second of so many clients, the people of the bench's project, on all of its pairs anew."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("delete from label")  # not truncate, which would take what items show with it
        connection.execute("delete from assignment")
        connection.execute("update item set slots_left = overlap_target where slots_left <> overlap_target")
        connection.execute("vacuum (analyze) label, preference, assignment, item")
        connection.execute("checkpoint")  # now, not in the middle
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(_script(first_person=2))
        file.flush()
        ended = subprocess.run(
            [
                *(programs() / "pgbench", "--no-vacuum", "--file", file.name, "--client", str(clients)),
                *("--jobs", "2", "--time", str(seconds), "--protocol", "prepared"),
                *("--define", "id=0", "--define", "label_id=0", "--define", "item_id=0", database),
            ],
            env=os.environ | {"PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in PLANNING.items())},
            check=False,
            capture_output=True,
            text=True,
        )
    found = re.search(r"tps = ([\d.]+) \(without", ended.stdout)
    if ended.returncode or found is None:
        raise RuntimeError(f"pgbench ended with {ended.returncode} and said:\n{ended.stdout}\n{ended.stderr}")
    return round(float(found.group(1)), 1)
