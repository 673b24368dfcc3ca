"""A row that says which scheduling process leads

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scheduler",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("leader", sa.String()),
        sa.Column("leads_until", sa.DateTime(timezone=True)),
        sa.Column("swept_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("id = 1", name=op.f("ck_scheduler_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduler")),
    )
    op.execute("insert into scheduler (id) values (1)")


def downgrade() -> None:
    op.drop_table("scheduler")
