"""Withdrawn items are found among a million others

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op

from app.schema_changes import add_index

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_item_withdrawn", "item", ["project_id", "id"], postgresql_where=sa.text("withdrawn_at is not null"))


def downgrade() -> None:
    op.drop_index("ix_item_withdrawn", "item")
