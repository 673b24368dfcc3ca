"""Models that answer from elsewhere than a folder

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model", sa.Column("answers_from", sa.String(32), server_default="folder", nullable=False))
    op.create_table(
        "endpoint",
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("base_url", sa.String(500), nullable=False),
        sa.Column("served_name", sa.String(200), nullable=False),
        sa.Column("key_name", sa.String(64)),
        sa.Column("requests_per_minute", sa.BigInteger(), server_default="60", nullable=False),
        sa.Column("at_once", sa.BigInteger(), server_default="4", nullable=False),
        sa.Column("token_limit", sa.BigInteger()),
        sa.Column("tokens_in", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_estimated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("price_in", sa.Float()),
        sa.Column("price_out", sa.Float()),
        sa.Column("tried_at", sa.DateTime(timezone=True)),
        sa.Column("tried_well", sa.Boolean()),
        sa.Column("tried_said", sa.Text()),
        sa.CheckConstraint("requests_per_minute between 1 and 100000", name=op.f("ck_endpoint_requests_per_minute")),
        sa.CheckConstraint("at_once between 1 and 64", name=op.f("ck_endpoint_at_once")),
        sa.CheckConstraint("token_limit >= 1", name=op.f("ck_endpoint_token_limit")),
        sa.CheckConstraint(
            "tokens_in >= 0 and tokens_out >= 0 and tokens_estimated >= 0", name=op.f("ck_endpoint_tokens")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_endpoint_model_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_endpoint")),
    )


def downgrade() -> None:
    elsewhere = op.get_bind().scalar(sa.text("select count(*) from model where answers_from <> 'folder'"))
    if elsewhere:
        raise RuntimeError(
            f"{elsewhere} of the models answer from elsewhere than a folder, for which the step before has no room: "
            "restore the dump that was made before the upgrade."
        )
    op.drop_table("endpoint")
    op.drop_column("model", "answers_from")
