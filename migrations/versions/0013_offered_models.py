"""Which base models an administrator has named, so that managers may choose them. Of those that are there already
nobody knows: projects keep theirs, and an administrator names them once more."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model", sa.Column("offered", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("model", "offered")
