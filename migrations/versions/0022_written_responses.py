"""Responses that people wrote as labels, at positions of their items that nobody is shown

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("item_response", sa.Column("label_id", sa.BigInteger()))
    op.create_foreign_key(
        op.f("fk_item_response_label_id"), "item_response", "label", ["label_id"], ["id"], ondelete="CASCADE"
    )
    op.create_unique_constraint(op.f("uq_item_response_label_id"), "item_response", ["label_id"])
    op.drop_constraint(op.f("ck_item_response_position"), "item_response")
    op.create_check_constraint(
        "position", "item_response", "position >= 0 and (label_id is not null) = (position >= 8)"
    )


def downgrade() -> None:
    written = op.get_bind().scalar(sa.text("select count(*) from item_response where label_id is not null"))
    if written:
        raise RuntimeError(
            f"{written} of the responses were written as labels, for which the step before has no room: restore the "
            "dump that was made before the upgrade."
        )
    op.drop_constraint(op.f("ck_item_response_position"), "item_response")
    op.create_check_constraint("position", "item_response", "position between 0 and 7")
    op.drop_column("item_response", "label_id")
