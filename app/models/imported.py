"""What an import keeps beside the prompts, items and labels that it makes: who judged, how far it is, what it refused.

What it makes names its run. Columns of the file that nothing else takes are in `extra` of what they belong to.
"""

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Typed
from app.models.documents import ImportCounts


class ImportedAnnotator(Base):
    """Whoever a file says has judged; an account of theirs is not known. `aggregate`: the file names nobody, and each
    such judgement of one item is told apart by a number."""

    __tablename__ = "imported_annotator"
    __table_args__ = (UniqueConstraint("project_id", "name", "aggregate"),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))
    aggregate: Mapped[bool]

    @property
    def shown(self) -> str:
        """As pages call them."""
        return f"Imported ({self.name})" if not self.aggregate else f"Imported, rater {self.name}"


class ImportProgress(Base):
    """How far a run that imports is. Written in the transaction that stores the rows it counts, so that a run that was
    killed goes on with the next row."""

    __tablename__ = "import_progress"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    read: Mapped[int] = mapped_column(default=0, server_default="0")  # rows looked at, all of them once `whole`
    whole: Mapped[bool] = mapped_column(default=False, server_default="false")
    stored: Mapped[int] = mapped_column(default=0, server_default="0")  # rows that are stored, or were refused
    counts: Mapped[ImportCounts] = mapped_column(Typed(ImportCounts), default=dict, server_default="{}")


class RefusedRow(Base):
    """A row of a file that cannot be imported, why, and its text to give back."""

    __tablename__ = "refused_row"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # among the rows, from 1 on
    line: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    raw: Mapped[str] = mapped_column(Text)
