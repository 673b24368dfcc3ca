"""The checklist of a project's first round, which its managers may hide

Projects that have a policy of their own are past it: there it is hidden.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("first_round_hidden", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(
        "update project set first_round_hidden = true "
        "where exists (select from model where project_id = project.id and kind = 'policy')"
    )


def downgrade() -> None:
    op.drop_column("project", "first_round_hidden")
