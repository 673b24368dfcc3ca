"""Find the last run of a kind and the last event of an action without reading all of a project's

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_run_project_kind", "run", ["project_id", "kind", "id"])
    op.create_index("ix_audit_event_action", "audit_event", ["project_id", "action", "id"])


def downgrade() -> None:
    op.drop_index("ix_audit_event_action", "audit_event")
    op.drop_index("ix_run_project_kind", "run")
