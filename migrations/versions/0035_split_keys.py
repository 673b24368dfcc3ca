"""What decides the side of a prompt is kept with it

Prompts stay where they are, also those of one conversation that lie on both sides: trainings of the past went by it.

Revision ID: 0035
Revises: 0034
"""

import re
import unicodedata
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

BATCH = 5000
_WORD = re.compile(r"\w+")


def _key(messages: Any) -> str | None:
    """As `app.prompts.reading.split_key` had it when this was written."""
    first = next((each.get("content", "") for each in messages if each.get("role") == "user"), None)
    if first is None:
        return None
    words = " ".join(_WORD.findall(unicodedata.normalize("NFKC", first).casefold()))
    return sha256((words or unicodedata.normalize("NFC", first).strip()).encode()).hexdigest()


def upgrade() -> None:
    op.add_column("prompt", sa.Column("split_key", sa.String(64)))
    connection, last = op.get_bind(), 0
    read = sa.text("select id, messages from prompt where id > :last order by id limit :batch")
    write = sa.text(
        "update prompt set split_key = given.key "
        "from unnest(cast(:ids as bigint[]), cast(:keys as text[])) as given(id, key) where prompt.id = given.id"
    )
    while rows := connection.execute(read, {"last": last, "batch": BATCH}).all():
        last = rows[-1].id
        connection.execute(write, {"ids": [row.id for row in rows], "keys": [_key(row.messages) for row in rows]})
    op.create_index("ix_prompt_split_key", "prompt", ["project_id", "split_key", "id"])


def downgrade() -> None:
    op.drop_index("ix_prompt_split_key", "prompt")
    op.drop_column("prompt", "split_key")
