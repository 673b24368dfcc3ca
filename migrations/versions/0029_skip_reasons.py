"""Who skips an item may say why

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("assignment", sa.Column("skip_reason", sa.String(80)))
    op.add_column("assignment", sa.Column("skip_note", sa.Text()))
    op.create_check_constraint("skip", "assignment", "state = 'skipped' or (skip_reason is null and skip_note is null)")


def downgrade() -> None:
    said = sa.text("select count(*) from assignment where skip_reason is not null or skip_note is not null")
    if given := op.get_bind().scalar(said):
        raise RuntimeError(f"{given} of the skipped items have a reason; they have no way back.")
    op.drop_constraint("ck_assignment_skip", "assignment")
    op.drop_column("assignment", "skip_note")
    op.drop_column("assignment", "skip_reason")
    op.execute("update project set answer = answer - 'skip_reasons'")
