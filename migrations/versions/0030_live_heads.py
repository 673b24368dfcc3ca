"""Features of responses, live heads, and switches for what they choose

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "response_features",
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("response_id", sa.BigInteger(), nullable=False),
        sa.Column("states", sa.LargeBinary(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_response_features_model_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name=op.f("fk_response_features_response_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "response_id", name=op.f("pk_response_features")),
    )
    op.create_index(op.f("ix_response_features_response_id"), "response_features", ["response_id"])
    op.create_table(
        "live_head",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.BigInteger()),
        sa.Column("space", sa.LargeBinary()),
        sa.Column("knowledge", sa.LargeBinary()),
        sa.Column("report", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_live_head_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_live_head_model_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_live_head")),
    )
    op.add_column("item", sa.Column("chosen", sa.Boolean(), server_default="false", nullable=False))
    for name, choices in (("queue_order", "'random', 'uncertain'"), ("pair_choice", "'random', 'informative'")):
        op.add_column("project", sa.Column(name, sa.String(32), server_default="random", nullable=False))
        kind = name.replace("_", "")
        op.create_check_constraint(op.f(f"ck_project_{kind}"), "project", f"{name} in ({choices})")


def downgrade() -> None:
    chosen = sa.text("select count(*) from project where queue_order <> 'random' or pair_choice <> 'random'")
    if count := op.get_bind().scalar(chosen):
        raise RuntimeError(
            f"Live heads choose what is asked in {count} of the projects, which the step before cannot do: "
            "set their order and their choice of responses to random first."
        )
    for name in ("queue_order", "pair_choice"):
        op.drop_constraint(op.f(f"ck_project_{name.replace('_', '')}"), "project")
        op.drop_column("project", name)
    op.drop_column("item", "chosen")
    op.execute("update item set rank = random() where rank < 0")
    op.drop_table("live_head")
    op.drop_table("response_features")
