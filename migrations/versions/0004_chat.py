"""Chat: answers written again as variants, compared by their reader; what the context had no room for

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turn", sa.Column("variant", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("turn", sa.Column("kept", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("turn", sa.Column("finish_reason", sa.String(16), nullable=True))
    op.add_column("turn", sa.Column("left_out", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("turn", sa.Column("error", sa.Text(), nullable=True))
    op.drop_constraint("uq_turn_conversation_id_position", "turn", type_="unique")
    op.create_unique_constraint(
        "uq_turn_conversation_id_position_variant", "turn", ["conversation_id", "position", "variant"]
    )
    op.create_index(
        "uq_turn_kept", "turn", ["conversation_id", "position"], unique=True, postgresql_where=sa.text("kept")
    )
    op.create_index("ix_turn_streaming", "turn", ["conversation_id"], postgresql_where=sa.text("state = 'streaming'"))
    op.create_table(
        "turn_comparison",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("second_id", sa.BigInteger(), nullable=False),
        sa.Column("choice", sa.String(32), nullable=True),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("choice in ('first', 'second', 'tie')", name=op.f("ck_turn_comparison_preference")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversation.id"],
            ondelete="CASCADE",
            name=op.f("fk_turn_comparison_conversation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["first_id"], ["turn.id"], ondelete="CASCADE", name=op.f("fk_turn_comparison_first_id")
        ),
        sa.ForeignKeyConstraint(
            ["second_id"], ["turn.id"], ondelete="CASCADE", name=op.f("fk_turn_comparison_second_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turn_comparison")),
        sa.UniqueConstraint("second_id", name=op.f("uq_turn_comparison_second_id")),
    )
    op.create_index("ix_turn_comparison_conversation_id", "turn_comparison", ["conversation_id"])


def downgrade() -> None:
    op.drop_table("turn_comparison")
    op.execute("delete from turn where not kept")
    op.drop_index("ix_turn_streaming", "turn")
    op.drop_index("uq_turn_kept", "turn")
    op.drop_constraint("uq_turn_conversation_id_position_variant", "turn", type_="unique")
    op.create_unique_constraint("uq_turn_conversation_id_position", "turn", ["conversation_id", "position"])
    for column in ("error", "left_out", "finish_reason", "kept", "variant"):
        op.drop_column("turn", column)
