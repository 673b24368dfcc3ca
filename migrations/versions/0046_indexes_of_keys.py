"""Labels are found by their item, turns by their prompt, choices by their turn: without it each record that was deleted
had a whole table read, and so had each batch of an export by items

Revision ID: 0046
Revises: 0045
"""

import sqlalchemy as sa
from alembic import op

from app.schema_changes import add_index

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_label_item_id", "label", ["item_id"])
    add_index("ix_turn_prompt_id", "turn", ["prompt_id"], postgresql_where=sa.text("prompt_id is not null"))
    add_index("ix_turn_comparison_first_id", "turn_comparison", ["first_id"])


def downgrade() -> None:
    op.drop_index("ix_turn_comparison_first_id", "turn_comparison")
    op.drop_index("ix_turn_prompt_id", "turn")
    op.drop_index("ix_label_item_id", "label")
