"""Projects, and chats of people, that are being deleted in parts by a worker

Revision ID: 0048
Revises: 0047
"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("chats_go_since", sa.DateTime(timezone=True)))
    op.add_column("project", sa.Column("goes_since", sa.DateTime(timezone=True)))
    op.create_check_constraint("goes_archived", "project", "goes_since is null or archived_at is not null")


def downgrade() -> None:
    op.drop_constraint("goes_archived", "project")
    op.drop_column("project", "goes_since")
    op.drop_column("user", "chats_go_since")
