"""Choices between two answers in a chat become labels, with consent

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("ck_item_purpose"), "item")
    op.create_check_constraint("purpose", "item", "purpose in ('train', 'check', 'evaluation', 'chat')")
    op.create_check_constraint("chat", "item", "purpose <> 'chat' or overlap_target = 0")
    op.alter_column("label", "assignment_id", nullable=True)
    op.add_column("turn_comparison", sa.Column("item_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_turn_comparison_item_id"), "turn_comparison", "item", ["item_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(op.f("ix_turn_comparison_item_id"), "turn_comparison", ["item_id"])


def downgrade() -> None:
    given = op.get_bind().scalar(sa.text("select count(*) from label where assignment_id is null"))
    if given:
        raise RuntimeError(
            f"{given} of the labels were given outside the queue, for which the step before has no room: restore the "
            "dump that was made before the upgrade."
        )
    op.execute("delete from item where purpose = 'chat'")
    op.drop_index(op.f("ix_turn_comparison_item_id"), "turn_comparison")
    op.drop_column("turn_comparison", "item_id")
    op.alter_column("label", "assignment_id", nullable=False)
    op.drop_constraint(op.f("ck_item_chat"), "item")
    op.drop_constraint(op.f("ck_item_purpose"), "item")
    op.create_check_constraint("purpose", "item", "purpose in ('train', 'check', 'evaluation')")
