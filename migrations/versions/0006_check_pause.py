"""Projects: how many missed attention checks pause a person's work

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("check_window", sa.BigInteger(), server_default="10", nullable=False))
    op.add_column("project", sa.Column("check_misses", sa.BigInteger(), server_default="3", nullable=False))
    op.create_check_constraint(
        op.f("ck_project_check_pause"), "project", "check_misses between 1 and check_window and check_window <= 1000"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_project_check_pause"), "project", type_="check")
    op.drop_column("project", "check_misses")
    op.drop_column("project", "check_window")
