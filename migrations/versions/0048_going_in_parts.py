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
    going = op.get_bind().scalar(sa.text("select count(*) from project where goes_since is not null"))
    if going:
        raise RuntimeError(f"{going} projects are being deleted, and would be seen again: wait until they are gone.")
    op.drop_constraint(op.f("ck_project_goes_archived"), "project")
    op.drop_column("project", "goes_since")
    op.drop_column("user", "chats_go_since")
