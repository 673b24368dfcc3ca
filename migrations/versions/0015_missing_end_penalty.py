"""Leave to its default, in runs that wait, a setting that has another meaning now

Revision ID: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("update run set config = config #- '{settings,missing_end_score}' where state in ('queued', 'running')")


def downgrade() -> None:
    op.execute(
        "update run set config = config #- '{settings,missing_end_penalty}' where state in ('queued', 'running')"
    )
