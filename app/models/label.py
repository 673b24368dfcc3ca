"""Which answer a person preferred. A revision supersedes and keeps the old row."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, desc, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.account import User
from app.models.base import Base, CreatedAt, Id, enum_column
from app.models.pair import Assignment, Pair, Side


class Choice(StrEnum):
    """Tie and both-bad are different outcomes."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"


class Label(Base):
    """One revision of one person's answer to one pair; the current one has no `superseded_at`."""

    __tablename__ = "label"
    __table_args__ = (
        CheckConstraint("strength is null or strength between 1 and 4", name="strength"),
        Index(
            "uq_label_current",
            "pair_id",
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
    pair_id: Mapped[int] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"))
    annotator_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignment.id", ondelete="CASCADE"), index=True)
    choice: Mapped[Choice] = mapped_column(enum_column(Choice))
    # The project's further questions, each with its own answer: question -> a, b or tie.
    questions: Mapped[dict[str, str]] = mapped_column(default=dict, server_default="{}")
    strength: Mapped[int | None]  # 1 (slightly) to the project's number of levels; null on ties and plain scales
    reasons: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    comment: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float | None]  # from display to answer, as the page measured it
    left: Mapped[Side] = mapped_column(enum_column(Side))  # the display order it was answered under
    late: Mapped[bool] = mapped_column(default=False, server_default="false")  # answered after the lease had ended
    # Late, and the slot had gone to somebody else: kept, but it fills no slot of the pair's overlap.
    surplus: Mapped[bool] = mapped_column(default=False, server_default="false")
    superseded_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    pair: Mapped[Pair] = relationship()
    annotator: Mapped[User] = relationship()
    assignment: Mapped[Assignment] = relationship()

    def answer_to(self, question: str) -> Choice | None:
        """The choice on one of the further questions, or on the main one, which is named by an empty text; None where
        the question was not asked."""
        if not question:
            return self.choice
        return Choice(self.questions[question]) if question in self.questions else None
