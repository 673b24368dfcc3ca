"""Annotators flag items, with a thread to the managers

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "flag",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("project_id", sa.BigInteger, sa.ForeignKey("project.id", ondelete="CASCADE"), nullable=False),
        sa.Column("item_id", sa.BigInteger, sa.ForeignKey("item.id", ondelete="CASCADE"), nullable=False),
        sa.Column("person_id", sa.BigInteger, sa.ForeignKey("user.id"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by_id", sa.BigInteger, sa.ForeignKey("user.id")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index("ix_flag_project", "flag", ["project_id", "id"])
    op.create_index("ix_flag_person", "flag", ["person_id", "project_id", "id"])
    op.create_index(op.f("ix_flag_item_id"), "flag", ["item_id"])
    op.create_index(
        "uq_flag_open", "flag", ["item_id", "person_id"], unique=True, postgresql_where=sa.text("closed_at is null")
    )
    op.create_table(
        "flag_message",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("flag_id", sa.BigInteger, sa.ForeignKey("flag.id", ondelete="CASCADE"), nullable=False),
        sa.Column("author_id", sa.BigInteger, sa.ForeignKey("user.id"), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index("ix_flag_message_flag", "flag_message", ["flag_id", "id"])


def downgrade() -> None:
    flags = op.get_bind().execute(sa.text("select count(*) from flag")).scalar()
    if flags:
        raise RuntimeError(f"{flags} flags have no place in the version before. Delete them first, or stay here.")
    op.drop_table("flag_message")
    op.drop_table("flag")
