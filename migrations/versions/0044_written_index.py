"""The index of written responses leaves out all others: before the tables' first analysis it was read for each item

Revision ID: 0044
Revises: 0043
"""

import sqlalchemy as sa
from alembic import op

from app.schema_changes import add_index

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_item_response_label_id",
        "item_response",
        ["label_id"],
        unique=True,
        postgresql_where=sa.text("label_id is not null"),
    )
    op.drop_constraint("uq_item_response_label_id", "item_response", if_exists=True)


def downgrade() -> None:
    op.create_unique_constraint("uq_item_response_label_id", "item_response", ["label_id"])
    op.drop_index("ix_item_response_label_id", "item_response")
