"""Two answers to one prompt, and the leases under which people look at them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, desc, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, CreatedAt, Id, enum_column
from app.models.prompt import Prompt
from app.models.response import Response


class Purpose(StrEnum):
    """Why a pair is shown; hidden from the annotator."""

    TRAIN = "train"
    CHECK = "check"
    EVALUATION = "evaluation"


class Side(StrEnum):
    """One of the two answers of a pair, as stored (not as displayed)."""

    A = "a"
    B = "b"


class AssignmentState(StrEnum):
    """What became of a lease."""

    OPEN = "open"
    LABELLED = "labelled"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Pair(Base):
    """`slots_left` = overlap target - open leases - current labels; kept by the statements of `app.pairs.queries`."""

    __tablename__ = "pair"
    __table_args__ = (
        CheckConstraint("response_a_id <> response_b_id", name="two_responses"),
        CheckConstraint("slots_left >= 0 and slots_left <= overlap_target", name="slots"),
        UniqueConstraint("response_a_id", "response_b_id"),
        Index(
            "ix_pair_queue",
            "project_id",
            desc("priority"),
            "id",
            postgresql_where=text("slots_left > 0 and withdrawn_at is null"),
        ),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id", ondelete="CASCADE"), index=True)
    response_a_id: Mapped[int] = mapped_column(ForeignKey("response.id", ondelete="CASCADE"), index=True)
    response_b_id: Mapped[int] = mapped_column(ForeignKey("response.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)  # the sampling or evaluation run
    purpose: Mapped[Purpose] = mapped_column(enum_column(Purpose))
    expected: Mapped[Side | None] = mapped_column(enum_column(Side))  # the right answer of an attention check
    priority: Mapped[float] = mapped_column(default=0.0, server_default="0")
    overlap_target: Mapped[int] = mapped_column(default=1, server_default="1")
    slots_left: Mapped[int] = mapped_column(default=1, server_default="1")
    withdrawn_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    prompt: Mapped[Prompt] = relationship()
    response_a: Mapped[Response] = relationship(foreign_keys=[response_a_id])
    response_b: Mapped[Response] = relationship(foreign_keys=[response_b_id])


class Assignment(Base):
    """One person's lease on one pair. Unique: nobody sees the same pair twice."""

    __tablename__ = "assignment"
    __table_args__ = (
        UniqueConstraint("pair_id", "annotator_id"),
        Index("ix_assignment_open", "annotator_id", "project_id", postgresql_where=text("state = 'open'")),
        Index("ix_assignment_expiry", "expires_at", postgresql_where=text("state = 'open'")),
        Index("ix_assignment_annotator_recent", "annotator_id", "project_id", desc("id")),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    pair_id: Mapped[int] = mapped_column(ForeignKey("pair.id", ondelete="CASCADE"))
    annotator_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    left: Mapped[Side] = mapped_column(enum_column(Side))  # which answer is displayed on the left
    state: Mapped[AssignmentState] = mapped_column(enum_column(AssignmentState))
    leased_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]

    pair: Mapped[Pair] = relationship()
