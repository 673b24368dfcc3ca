"""A model from elsewhere may be a project's own, and so may the run that fetches it

Revision ID: 0034
Revises: 0033
"""

from alembic import op
from sqlalchemy import text

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("ck_run_project", "run")
    op.create_check_constraint("project", "run", "kind = 'preparation' or project_id is not null")


def downgrade() -> None:
    if fetched := op.get_bind().scalar(
        text("select count(*) from run where kind = 'preparation' and project_id is not null")
    ):
        raise RuntimeError(f"{fetched} runs have fetched a model for one project; they have no way back.")
    op.drop_constraint("ck_run_project", "run")
    op.create_check_constraint("project", "run", "(kind = 'preparation') = (project_id is null)")
