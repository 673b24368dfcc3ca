"""People whose labels are being deleted, which a worker does in parts

Revision ID: 0047
Revises: 0046
"""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("labels_go_since", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("user", "labels_go_since")
