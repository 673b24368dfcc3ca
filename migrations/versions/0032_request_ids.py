"""Runs remember the request that queued them

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("request_id", sa.String(64)))  # without a default: no row is written


def downgrade() -> None:
    op.drop_column("run", "request_id")
