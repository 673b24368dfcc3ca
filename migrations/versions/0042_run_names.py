"""Runs have names, tags and notes

Revision ID: 0042
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("name", sa.String(120), nullable=False, server_default=""))
    op.add_column("run", sa.Column("tags", postgresql.ARRAY(sa.String(40)), nullable=False, server_default="{}"))
    op.add_column("run", sa.Column("note", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    named = op.get_bind().scalar(sa.text("select count(*) from run where name <> '' or tags <> '{}' or note <> ''"))
    if named:
        raise RuntimeError(
            f"{named} of the runs have names, tags or notes, which an older schema cannot keep; to go back, restore "
            "the dump from before the upgrade."
        )
    for column in ("note", "tags", "name"):
        op.drop_column("run", column)
