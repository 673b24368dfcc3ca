"""Labels can go for good: snapshots keep how many went, projects when

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snapshot", sa.Column("deleted", postgresql.JSONB()))
    op.add_column("project", sa.Column("labels_deleted_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    gone = op.get_bind().scalar(sa.text("select count(*) from snapshot where deleted is not null"))
    if gone:
        raise RuntimeError(
            f"{gone} of the snapshots have lost labels with their person, which an older schema cannot tell; to go "
            "back, restore the dump from before the upgrade."
        )
    op.drop_column("project", "labels_deleted_at")
    op.drop_column("snapshot", "deleted")
