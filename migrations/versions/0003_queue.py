"""The queue: keyset claims, attention checks apart, one open lease a person, surplus labels, eager vacuum

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_VACUUM = "autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor"


def upgrade() -> None:
    op.add_column("label", sa.Column("surplus", sa.Boolean(), server_default="false", nullable=False))
    op.create_index("ix_label_annotator_time", "label", ["annotator_id", "project_id", "created_at"])
    op.add_column("pair", sa.Column("control", sa.Boolean(), server_default="false", nullable=False))
    op.drop_index("ix_pair_response_a_id", "pair")  # uq_pair_response_a_id_response_b_id begins with it
    op.drop_index("ix_pair_queue", "pair")
    op.create_index(
        "ix_pair_queue",
        "pair",
        ["project_id", sa.text("(-priority)"), "id"],
        postgresql_where=sa.text("slots_left > 0 and withdrawn_at is null and purpose <> 'check'"),
    )
    op.create_index(
        "ix_pair_checks",
        "pair",
        ["project_id", "id"],
        postgresql_where=sa.text("purpose = 'check' and withdrawn_at is null"),
    )
    op.create_index(
        "uq_pair_sampled",
        "pair",
        ["run_id", "prompt_id"],
        unique=True,
        postgresql_where=sa.text("purpose = 'train'"),
    )
    op.create_index("ix_pair_project_recent", "pair", ["project_id", "id"])
    op.drop_index("ix_assignment_open", "assignment")
    op.create_index(
        "uq_assignment_open",
        "assignment",
        ["annotator_id", "project_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_assignment_ended",
        "assignment",
        ["annotator_id", "project_id"],
        postgresql_where=sa.text("state in ('expired', 'skipped')"),
    )
    for table in ("pair", "assignment"):
        op.execute(
            f"alter table {table} set (autovacuum_vacuum_scale_factor = 0.002, "
            "autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0.02)"
        )


def downgrade() -> None:
    for table in ("pair", "assignment"):
        op.execute(f"alter table {table} reset ({_VACUUM})")
    op.drop_index("ix_assignment_ended", "assignment")
    op.drop_index("uq_assignment_open", "assignment")
    op.create_index(
        "ix_assignment_open", "assignment", ["annotator_id", "project_id"], postgresql_where=sa.text("state = 'open'")
    )
    op.drop_index("ix_pair_project_recent", "pair")
    op.drop_index("uq_pair_sampled", "pair")
    op.drop_index("ix_pair_checks", "pair")
    op.drop_index("ix_pair_queue", "pair")
    op.create_index(
        "ix_pair_queue",
        "pair",
        ["project_id", sa.text("priority desc"), "id"],
        postgresql_where=sa.text("slots_left > 0 and withdrawn_at is null"),
    )
    op.create_index("ix_pair_response_a_id", "pair", ["response_a_id"])
    op.drop_column("pair", "control")
    op.drop_index("ix_label_annotator_time", "label")
    op.drop_column("label", "surplus")
