"""Labels by imported annotator, for filters and to forget those of whom none is left

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_label_imported_annotator", "label", ["imported_annotator_id", "id"],
        postgresql_where=sa.text("imported_annotator_id is not null"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_label_imported_annotator", "label")
