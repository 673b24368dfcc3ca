"""Prompts keep what their near twins share with them

Those that are there stay where they are.

Revision ID: 0039
Revises: 0038
"""

import re
import unicodedata
from hashlib import blake2b
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

from app.schema_changes import add_column, add_index

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

BATCH = 2000
MOST_TWINS = 20
SLOTS = 2**24  # counters of keys, some of which share one: a key that is left out for it costs little
_WORD = re.compile(r"\w+")
_STEP = np.uint64(0x9E3779B97F4A7C15)


def _mixed(x: Any) -> Any:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


_FACTORS = _mixed(np.arange(1, 49, dtype=np.uint64) * _STEP)[:, None] | np.uint64(1)


def _keys(messages: Any) -> list[int]:
    """As `app.prompts.twins.keys` had it when this was written."""
    first = next((each.get("content", "") for each in messages if each.get("role") == "user"), "")
    words = " ".join(_WORD.findall(unicodedata.normalize("NFKC", first).casefold()))
    if len(words) < 20:
        return []
    characters = np.frombuffer(words.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    runs = np.zeros(len(characters) - 4, dtype=np.uint64)
    for place in range(5):
        runs = runs * _STEP + characters[place : place + len(runs)]
    least = (_mixed(np.unique(runs)) * _FACTORS).min(axis=1).astype("<u8").reshape(8, 6)
    told = " ".join(re.findall(r"\d+", words)).encode()
    bands = (blake2b(row.tobytes() + told, digest_size=8, salt=bytes([band])) for band, row in enumerate(least))
    return [int.from_bytes(band.digest(), "little", signed=True) for band in bands]


def upgrade() -> None:
    add_column("prompt", sa.Column("twin_keys", sa.ARRAY(sa.BigInteger), server_default="{}", nullable=False))
    read = sa.text("select id, project_id, messages from prompt where id > :last order by id limit :batch")
    write = sa.text(
        "update prompt set twin_keys = cast(given.keys as bigint[]) "
        "from unnest(cast(:ids as bigint[]), cast(:keys as text[])) as given(id, keys) where prompt.id = given.id"
    )
    counted, last = bytearray(SLOTS), 0
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        while rows := connection.execute(read, {"last": last, "batch": BATCH}).all():
            last = rows[-1].id
            given = [_free(row, counted) for row in rows]
            connection.execute(write, {"ids": [row.id for row in rows], "keys": given})
    options = {"postgresql_using": "gin", "postgresql_with": {"fastupdate": "off"}}
    add_index("ix_prompt_twin_keys", "prompt", ["twin_keys"], **options)


def _free(row: Any, counted: bytearray) -> str:
    """The keys that fewer than so many prompts of its project had before, as an array is written."""
    free = []
    for key in _keys(row.messages):
        slot = (key ^ row.project_id * 0x9E3779B97F4A7C15) % SLOTS
        if counted[slot] < MOST_TWINS:
            counted[slot] += 1
            free.append(str(key))
    return "{" + ",".join(free) + "}"


def downgrade() -> None:
    op.drop_index("ix_prompt_twin_keys", "prompt")
    op.drop_column("prompt", "twin_keys")
