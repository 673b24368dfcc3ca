"""Give API tokens scopes and an expiry; those there are keep what they could do, for 90 days more

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "api_token", sa.Column("scopes", JSONB(), nullable=False, server_default='["read", "label", "manage"]')
    )
    op.add_column("api_token", sa.Column("expires_at", sa.DateTime(timezone=True)))
    op.execute("update api_token set expires_at = now() + interval '90 days'")
    op.execute(
        """update api_token set scopes = '["read", "label", "manage", "admin"]'
           from "user" where "user".id = api_token.user_id and "user".is_admin"""
    )
    op.alter_column("api_token", "scopes", server_default=None)


def downgrade() -> None:
    op.drop_column("api_token", "expires_at")
    op.drop_column("api_token", "scopes")
