"""Sessions keep from what somebody signed in, in words, and when they were last used

Revision ID: 0043
Revises: 0042
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("web_session", sa.Column("device", sa.String(80)))
    op.add_column("web_session", sa.Column("last_used_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("web_session", "last_used_at")
    op.drop_column("web_session", "device")
