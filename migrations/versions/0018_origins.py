"""Responses by persons and imports, beside those of models

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_KNOWN_OF_MODELS = ("model_id", "finish_reason", "token_count", "strategy")
_OTHERS = """
select count(*) from response
where model_id is null or finish_reason is null or token_count is null or strategy is null
"""


def upgrade() -> None:
    for column in _KNOWN_OF_MODELS:
        op.alter_column("response", column, nullable=True)
    op.add_column("response", sa.Column("author_id", sa.BigInteger()))
    op.add_column("response", sa.Column("imported_from", sa.String(200)))
    op.create_foreign_key(op.f("fk_response_author_id"), "response", "user", ["author_id"], ["id"])
    op.create_index(op.f("ix_response_author_id"), "response", ["author_id"])
    op.create_check_constraint("origin", "response", "num_nonnulls(model_id, author_id, imported_from) = 1")


def downgrade() -> None:
    others = op.get_bind().scalar(sa.text(_OTHERS))
    if others:
        raise RuntimeError(
            f"{others} of the responses are by people or imported, for which the step before has no room: restore "
            "the dump that was made before the upgrade."
        )
    op.drop_constraint(op.f("ck_response_origin"), "response")
    op.drop_column("response", "imported_from")
    op.drop_column("response", "author_id")
    for column in _KNOWN_OF_MODELS:
        op.alter_column("response", column, nullable=False)
