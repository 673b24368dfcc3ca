"""What one person decided on an item, and who prefers what by it. A revision supersedes and keeps the old row.

A label that its person withdrew is superseded by none: it counts in the snapshots that hold it, and nowhere else."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, desc, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.account import User
from app.models.base import Base, CreatedAt, Id, enum_column
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
    """One revision of one person's decision on one item; the current one has no `superseded_at`."""

    __tablename__ = "label"
    __table_args__ = (
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
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"))
    annotator_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    # Null where it was given outside the queue, as in a chat.
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignment.id", ondelete="CASCADE"), index=True)
    # What was decided, as it was shown: the value of the item's kind, see `app.annotation`.
    value: Mapped[LabelValue] = mapped_column(LabelValueColumn)
    order: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))  # the display order it was given under
    passed: Mapped[bool | None]  # of an attention check: whether the answer was right
    reasons: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    comment: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float | None]  # from display to answer, as the page measured it
    late: Mapped[bool] = mapped_column(default=False, server_default="false")  # answered after the lease had ended
    # It fills no slot of the item's overlap: it came late and the slot had gone to somebody else, or from outside the
    # queue.
    surplus: Mapped[bool] = mapped_column(default=False, server_default="false")
    superseded_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    item: Mapped[Item] = relationship()
    annotator: Mapped[User] = relationship()
    assignment: Mapped[Assignment | None] = relationship()
    preferences: Mapped[list["Preference"]] = relationship(
        order_by="Preference.question, Preference.first, Preference.second",
        passive_deletes=True,
        cascade="all, delete-orphan",
    )

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
