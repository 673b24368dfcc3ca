"""An import is a run; what it brings names it, and labels may be by whoever a file names

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_KINDS = "preparation", "sampling", "training", "scoring", "evaluation", "import", "undo"


def upgrade() -> None:
    op.drop_constraint("ck_run_runkind", "run")
    op.create_check_constraint("runkind", "run", sa.column("kind").in_(_KINDS))
    op.alter_column("run", "model_id", nullable=True)
    op.create_check_constraint("model", "run", "(kind in ('import', 'undo')) = (model_id is null)")
    op.create_table(
        "imported_annotator",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("project_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("aggregate", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imported_annotator")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_imported_annotator_project_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "project_id", "name", "aggregate", name=op.f("uq_imported_annotator_project_id_name_aggregate")
        ),
    )
    op.create_table(
        "import_progress",
        sa.Column("run_id", sa.BigInteger, nullable=False),
        sa.Column("read", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("whole", sa.Boolean, server_default="false", nullable=False),
        sa.Column("stored", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("counts", JSONB, server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_import_progress")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_import_progress_run_id"), ondelete="CASCADE"),
    )
    op.create_table(
        "refused_row",
        sa.Column("run_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_refused_row")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_refused_row_run_id"), ondelete="CASCADE"),
    )
    for table in ("prompt", "item", "response", "label"):
        op.add_column(table, sa.Column("extra", JSONB))
    for table in ("prompt", "label"):
        op.add_column(table, sa.Column("run_id", sa.BigInteger))
        op.create_foreign_key(op.f(f"fk_{table}_run_id"), table, "run", ["run_id"], ["id"])
        op.create_index(f"ix_{table}_run_id", table, ["run_id"], postgresql_where=sa.text("run_id is not null"))
    for table in ("item", "label"):
        op.add_column(table, sa.Column("import_key", sa.String(64)))
    op.create_index(
        "uq_item_import_key", "item", ["project_id", "import_key"], unique=True,
        postgresql_where=sa.text("import_key is not null"),
    )  # fmt: skip
    op.alter_column("label", "annotator_id", nullable=True)
    op.add_column("label", sa.Column("imported_annotator_id", sa.BigInteger))
    op.create_foreign_key(
        op.f("fk_label_imported_annotator_id"), "label", "imported_annotator", ["imported_annotator_id"], ["id"],
        ondelete="CASCADE",
    )  # fmt: skip
    op.create_check_constraint("annotator", "label", "num_nonnulls(annotator_id, imported_annotator_id) = 1")
    op.create_check_constraint("imported", "label", "(imported_annotator_id is null) = (run_id is null)")
    op.create_index(
        "uq_label_current_imported", "label", ["item_id", "imported_annotator_id"], unique=True,
        postgresql_where=sa.text("superseded_at is null and imported_annotator_id is not null"),
    )  # fmt: skip
    op.create_index(
        "uq_label_import_key", "label", ["item_id", "import_key"], unique=True,
        postgresql_where=sa.text("run_id is not null"),
    )  # fmt: skip


def downgrade() -> None:
    raise RuntimeError("This step has no way back: restore the dump that was made before the upgrade.")
