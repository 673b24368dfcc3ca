"""Quotas of projects

Revision ID: 0045
Revises: 0044
"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

LIMITS = ("runs_at_once", "runs_per_day", "storage_bytes", "tokens")


def upgrade() -> None:
    op.create_table(
        "quota",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger()) for name in LIMITS),
        sa.Column("tokens_used", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("storage_used", sa.BigInteger()),
        sa.Column("storage_measured_at", sa.DateTime(timezone=True)),
        *(sa.CheckConstraint(f"{name} >= 0", name=op.f(f"ck_quota_{name}")) for name in (*LIMITS, "tokens_used")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_quota_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_quota")),
    )


def downgrade() -> None:
    limited = " or ".join(f"{name} is not null" for name in LIMITS)
    found = op.get_bind().scalar(sa.text(f"select count(*) from quota where {limited} or tokens_used > 0"))  # noqa: S608  names of ours
    if found:
        raise RuntimeError(f"{found} projects have quotas, or have spent tokens, which the earlier schema cannot keep.")
    op.drop_table("quota")
