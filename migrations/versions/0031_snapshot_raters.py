"""Snapshots keep what was known of their annotators

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snapshot", sa.Column("raters", JSONB(), server_default="{}", nullable=False))
    op.add_column("snapshot", sa.Column("levels", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    known = sa.text("select count(*) from snapshot where raters <> '{}' or levels > 0")
    if given := op.get_bind().scalar(known):
        raise RuntimeError(f"{given} of the snapshots keep what was known of their annotators; that has no way back.")
    op.drop_column("snapshot", "levels")
    op.drop_column("snapshot", "raters")
