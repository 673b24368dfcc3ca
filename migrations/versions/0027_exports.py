"""An export may be a run

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_KINDS = "preparation", "sampling", "training", "scoring", "evaluation", "import", "undo", "export"


def upgrade() -> None:
    op.drop_constraint("ck_run_runkind", "run")
    op.create_check_constraint("runkind", "run", sa.column("kind").in_(_KINDS))
    op.drop_constraint("ck_run_model", "run")
    op.create_check_constraint("model", "run", "(kind in ('import', 'undo', 'export')) = (model_id is null)")


def downgrade() -> None:
    raise RuntimeError("This step has no way back: restore the dump that was made before the upgrade.")
