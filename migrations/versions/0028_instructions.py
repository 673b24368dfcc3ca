"""Versions of guidelines and questions, which labels name

Revision ID: 0028
Revises: 0027
"""

import json
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "instructions",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("project_id", sa.BigInteger(), sa.ForeignKey("project.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("guidelines", sa.Text(), nullable=False),
        sa.Column("asked", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.UniqueConstraint("project_id", "number", name="uq_instructions_project_id_number"),
        sa.UniqueConstraint("project_id", "content_hash", name="uq_instructions_project_id_content_hash"),
    )
    for table in ("project", "label"):
        key = sa.ForeignKey("instructions.id", name=f"fk_{table}_instructions_id")
        op.add_column(table, sa.Column("instructions_id", sa.BigInteger(), key))
    _first_versions()


def _first_versions() -> None:
    """What each project tells and asks now. Labels that are there stay without: nobody knows what theirs was."""
    connection = op.get_bind()
    for row in connection.execute(sa.text("select id, guidelines, answer from project order by id")).all():
        asked = _asked(row.answer)
        told = json.dumps([row.guidelines, asked], sort_keys=True)
        values = {"project": row.id, "guidelines": row.guidelines, "asked": json.dumps(asked)}
        connection.execute(
            sa.text(
                """
                with made as (
                    insert into instructions (project_id, number, content_hash, guidelines, asked)
                    values (:project, 1, :hash, :guidelines, cast(:asked as jsonb)) returning id
                )
                update project set instructions_id = made.id from made where project.id = :project
                """
            ),
            values | {"hash": sha256(told.encode()).hexdigest()},
        )


def _asked(answer: dict[str, Any]) -> dict[str, Any]:
    def named(given: list[Any]) -> list[Any]:
        return [each if isinstance(each, dict) else {"id": each, "text": each} for each in given]

    def is_asked(kind: str, own: dict[str, Any]) -> bool:
        return bool(own.get("share", 100 if kind == "comparison" else 0))

    kinds = [(kind, own) for kind, own in answer.get("kinds", {}).items() if is_asked(kind, own)]
    return {
        "questions": named(answer.get("questions", [])),
        "reasons": named(answer.get("reasons", [])),
        "comment": answer.get("comment", "optional"),
        "kinds": {kind: {name: value for name, value in own.items() if name != "share"} for kind, own in kinds},
    }


def downgrade() -> None:
    given = op.get_bind().scalar(sa.text("select count(*) from label where instructions_id is not null"))
    if given:
        raise RuntimeError(f"{given} of the labels name a version of their guidelines; they have no way back.")
    for table in ("label", "project"):
        op.drop_column(table, "instructions_id")
    op.drop_table("instructions")
