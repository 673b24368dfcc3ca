"""Keep a prompt's HTML beside its messages

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("prompt", sa.Column("html", JSONB()))
    op.add_column("prompt", sa.Column("html_by", sa.String(16)))


def downgrade() -> None:
    op.drop_column("prompt", "html_by")
    op.drop_column("prompt", "html")
