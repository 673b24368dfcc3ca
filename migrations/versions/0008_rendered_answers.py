"""Keep an answer's HTML beside its text

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("response", sa.Column("html", sa.Text()))
    op.add_column("response", sa.Column("html_by", sa.String(16)))


def downgrade() -> None:
    op.drop_column("response", "html_by")
    op.drop_column("response", "html")
