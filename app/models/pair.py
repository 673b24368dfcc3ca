"""Two answers to one prompt, and the leases under which people look at them.

Rows of both tables change with every claim, so that dead entries gather where the queue is read: they are vacuumed
after a few thousand changes, not after a share of a table that may hold a million rows.
"""

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


EAGER_VACUUM = {
    "autovacuum_vacuum_scale_factor": "0.002",
    "autovacuum_vacuum_threshold": "2000",
    "autovacuum_analyze_scale_factor": "0.02",
}


class Side(StrEnum):
    """One of the two answers of a pair, as stored (not as displayed)."""

    A = "a"
    B = "b"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.B if self is Side.A else Side.A


class AssignmentState(StrEnum):
    """What became of a lease."""

    OPEN = "open"
    LABELLED = "labelled"
    SKIPPED = "skipped"
    EXPIRED = "expired"


class Pair(Base):
    """`slots_left` = overlap target - open leases - current labels that are not surplus; kept by the statements of
    `app.pairs.queue`, `app.pairs.upkeep` and `app.labels.saving`, each together with the change that it counts."""

    __tablename__ = "pair"
    __table_args__ = (
        CheckConstraint("response_a_id <> response_b_id", name="two_responses"),
        CheckConstraint("slots_left >= 0 and slots_left <= overlap_target", name="slots"),
        UniqueConstraint("response_a_id", "response_b_id"),
        # Ascending in both keys, so that a claim can start behind a known place: (-priority, id) > (x, y).
        Index(
            "ix_pair_queue",
            "project_id",
            text("(-priority)"),
            "id",
            postgresql_where=text("slots_left > 0 and withdrawn_at is null and purpose <> 'check'"),
        ),
        Index(
            "ix_pair_checks",
            "project_id",
            "id",
            postgresql_where=text("purpose = 'check' and withdrawn_at is null"),
        ),
        Index(
            "uq_pair_sampled", "run_id", "prompt_id", unique=True, postgresql_where=text("purpose = 'train'")
        ),  # a sampling run that is worked on again adds no second pair
        Index("ix_pair_project_recent", "project_id", "id"),
        {"postgresql_with": EAGER_VACUUM},
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id", ondelete="CASCADE"), index=True)
    response_a_id: Mapped[int] = mapped_column(ForeignKey("response.id", ondelete="CASCADE"))
    response_b_id: Mapped[int] = mapped_column(ForeignKey("response.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)  # the sampling or evaluation run
    purpose: Mapped[Purpose] = mapped_column(enum_column(Purpose))
    expected: Mapped[Side | None] = mapped_column(enum_column(Side))  # the right answer of an attention check
    priority: Mapped[float] = mapped_column(default=0.0, server_default="0")  # higher is shown earlier
    # Drawn at random when the pair is made: its priority stays random, whatever the reward model is unsure about.
    control: Mapped[bool] = mapped_column(default=False, server_default="false")
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
        # One open lease a person and project, however many tabs ask at once.
        Index("uq_assignment_open", "annotator_id", "project_id", unique=True, postgresql_where=text("state = 'open'")),
        Index(
            "ix_assignment_ended",
            "annotator_id",
            "project_id",
            postgresql_where=text("state in ('expired', 'skipped')"),
        ),
        Index("ix_assignment_expiry", "expires_at", postgresql_where=text("state = 'open'")),
        Index("ix_assignment_annotator_recent", "annotator_id", "project_id", desc("id")),
        {"postgresql_with": EAGER_VACUUM},
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
