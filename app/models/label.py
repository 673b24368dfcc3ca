"""What one person decided on an item, and who prefers what by it. A revision supersedes and keeps the old row.

A label that its person withdrew is superseded by none: it counts in the snapshots that hold it, and nowhere else."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    desc,
    func,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.account import User
from app.models.base import Base, CreatedAt, Id, Typed, enum_column
from app.models.documents import Extra
from app.models.imported import ImportedAnnotator
from app.models.instructions import Instructions
from app.models.item import Assignment, Item
from app.models.values import LabelValue, LabelValueColumn, Said

LETTERS = "ABCDEFGH"
"""How the responses that an item shows are named to managers, in stored order."""


class Outcome(StrEnum):
    """Which of two responses is better. A tie and both bad are different outcomes."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    BOTH_BAD = "both_bad"


class Label(Base):
    """One revision of one person's decision on one item; the current one has no `superseded_at`.

    Its annotator is a person with an account, or whoever an imported file names: exactly one of the two."""

    __tablename__ = "label"
    __table_args__ = (
        CheckConstraint("num_nonnulls(annotator_id, imported_annotator_id) = 1", name="annotator"),
        CheckConstraint("(imported_annotator_id is null) = (run_id is null)", name="imported"),
        Index(
            "uq_label_current_imported",
            "item_id",
            "imported_annotator_id",
            unique=True,
            postgresql_where=text("superseded_at is null and imported_annotator_id is not null"),
        ),
        # The same row of a file that comes again is the same label.
        Index("uq_label_import_key", "item_id", "import_key", unique=True, postgresql_where=text("run_id is not null")),
        Index("ix_label_run_id", "run_id", postgresql_where=text("run_id is not null")),
        Index(
            "ix_label_imported_annotator",
            "imported_annotator_id",
            "id",
            postgresql_where=text("imported_annotator_id is not null"),
        ),
        Index(
            "uq_label_current",
            "item_id",
            "annotator_id",
            unique=True,
            postgresql_where=text("superseded_at is null"),
        ),
        Index("ix_label_project_time", "project_id", "created_at"),
        Index("ix_label_annotator_recent", "annotator_id", "project_id", desc("id")),
        Index("ix_label_annotator_time", "annotator_id", "project_id", "created_at"),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"), index=True)
    annotator_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    imported_annotator_id: Mapped[int | None] = mapped_column(ForeignKey("imported_annotator.id", ondelete="CASCADE"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))  # of the import that brought it
    import_key: Mapped[str | None] = mapped_column(String(64))  # hash of what the file's row says
    extra: Mapped[Extra | None] = mapped_column(Typed(Extra))
    # Null where it was given outside the queue, as in a chat.
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignment.id", ondelete="CASCADE"), index=True)
    # What was decided, as it was shown: the value of the item's kind, see `app.annotation`.
    value: Mapped[LabelValue] = mapped_column(LabelValueColumn)
    order: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))  # the display order it was given under
    # Of the guidelines and questions that its person had before them; null for labels from before there were versions,
    # and for those given outside the queue.
    instructions_id: Mapped[int | None] = mapped_column(ForeignKey("instructions.id"))
    passed: Mapped[bool | None]  # of an attention check: whether the label was right
    reasons: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    comment: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float | None]  # from display to label, as the page measured it
    late: Mapped[bool] = mapped_column(default=False, server_default="false")  # labelled after the lease had ended
    # It fills no slot of the item's overlap: it came late and the slot had gone to somebody else, or from outside the
    # queue.
    surplus: Mapped[bool] = mapped_column(default=False, server_default="false")
    superseded_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    item: Mapped[Item] = relationship()
    annotator: Mapped[User | None] = relationship()
    imported_annotator: Mapped[ImportedAnnotator | None] = relationship()
    assignment: Mapped[Assignment | None] = relationship()
    instructions: Mapped[Instructions | None] = relationship()
    preferences: Mapped[list["Preference"]] = relationship(
        order_by="Preference.question, Preference.first, Preference.second",
        passive_deletes=True,
        cascade="all, delete-orphan",
    )

    @hybrid_property
    def rater(self) -> int:
        """A number for its annotator: that of the account, or below zero that of an imported one."""
        return self.annotator_id if self.annotator_id is not None else -(self.imported_annotator_id or 0)

    @rater.inplace.expression
    @classmethod
    def _rater(cls) -> ColumnElement[int]:
        return func.coalesce(cls.annotator_id, -cls.imported_annotator_id)

    @property
    def given_by(self) -> str:
        """What lists call its annotator."""
        if self.annotator is not None:
            return self.annotator.shown
        return self.imported_annotator.shown if self.imported_annotator is not None else ""

    @property
    def told(self) -> Sequence[Said]:
        """What it says, by the letters of the item's responses."""
        return self.value.said(lambda place: LETTERS[self.order[place]])


class Preference(Base):
    """ "This response is better than that one, by this label": what learning, agreement, reports and evaluation read.

    Written in its label's transaction and never changed; current while its label is not superseded. `first` and
    `second` are positions of the item, the lower one first."""

    __tablename__ = "preference"
    __table_args__ = (
        CheckConstraint("first < second", name="places"),
        CheckConstraint("(probability is null) = (outcome = 'both_bad')", name="probability"),
    )

    label_id: Mapped[int] = mapped_column(ForeignKey("label.id", ondelete="CASCADE"), primary_key=True)
    question: Mapped[str] = mapped_column(String(80), primary_key=True)  # empty: the main one
    first: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    second: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    outcome: Mapped[Outcome] = mapped_column(enum_column(Outcome))
    # That `first` is the better one, as this label alone says it: 1, 1/2 or 0; null where both are bad.
    probability: Mapped[float | None]
    strength: Mapped[int | None] = mapped_column(SmallInteger)  # 1 (slightly) to the project's number of levels
    raters: Mapped[int] = mapped_column(default=1, server_default="1")
