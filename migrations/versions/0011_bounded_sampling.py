"""Bring what projects sample with into today's bounds; a temperature of 1e-40 was taken before."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WITHIN = """
    update project set sampling = sampling || jsonb_build_object('{name}', {low})
     where (sampling ->> '{name}')::double precision < {low}
"""


def upgrade() -> None:
    for name in ("temperature", "top_p"):
        op.execute(_WITHIN.format(name=name, low=0.01))


def downgrade() -> None:
    """Nothing to take back: the values are within the older bounds too."""
