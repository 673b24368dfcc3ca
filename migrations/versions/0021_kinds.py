"""Settings of comparisons by their kind, beside those of other kinds

Revision ID: 0021
Revises: 0020
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_OWN = "array['levels', 'tie', 'both_bad', 'submit_on_choice']"


def upgrade() -> None:
    op.execute(
        f"""
        update project set answer = (answer - {_OWN}) || jsonb_build_object('kinds', jsonb_build_object('comparison',
            (select coalesce(jsonb_object_agg(key, value), '{{}}') from jsonb_each(answer) where key = any({_OWN}))))
        """  # noqa: S608  fixed text
    )


def downgrade() -> None:
    op.execute(
        "update project set answer = (answer - 'kinds') || coalesce(answer #> '{kinds,comparison}', '{}') - 'share'"
    )
