"""Remember which folder a run goes on from, and until when it waits

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("workspace", sa.String(40)))
    op.add_column("run", sa.Column("not_before", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("run", "not_before")
    op.drop_column("run", "workspace")
