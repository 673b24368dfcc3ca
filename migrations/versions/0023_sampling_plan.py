"""Which models a project samples from

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("plan", JSONB(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("project", "plan")
