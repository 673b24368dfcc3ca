"""A project: what is being taught, by whom, and how its loop is set up."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.account import Role, User
from app.models.base import Base, CreatedAt, Id, Typed, enum_column
from app.models.project_settings import AutomationSettings, LabelSettings, SamplingSettings
from app.models.sampling_plan import SamplingPlan

if TYPE_CHECKING:
    from app.models.instructions import Instructions
    from app.models.model import Model


class QueueOrder(StrEnum):
    """What is asked first of the items that train: whatever comes, or what the live head is least sure about."""

    RANDOM = "random"
    UNCERTAIN = "uncertain"


class PairChoice(StrEnum):
    """Which responses an item shows, where more were sampled: any, or those whose comparison tells the head most."""

    RANDOM = "random"
    INFORMATIVE = "informative"


class Project(Base):
    """Settings of one loop."""

    __tablename__ = "project"
    __table_args__ = (
        CheckConstraint("overlap between 1 and 50", name="overlap"),
        CheckConstraint("queue_depth between 1 and 1000000", name="queue_depth"),
        CheckConstraint("check_share >= 0 and check_share <= 0.5", name="check_share"),
        CheckConstraint("check_misses between 1 and check_window and check_window <= 1000", name="check_pause"),
        CheckConstraint("control_share >= 0 and control_share <= 1", name="control_share"),
        CheckConstraint("goes_since is null or archived_at is not null", name="goes_archived"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(100))
    guidelines: Mapped[str] = mapped_column(Text, default="", server_default="")
    # The version of the guidelines and of what is asked that holds now.
    instructions_id: Mapped[int | None] = mapped_column(ForeignKey("instructions.id", use_alter=True))
    base_model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    # The promoted policy that chat and sampling use; the base model where none is promoted.
    policy_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    answer: Mapped[LabelSettings] = mapped_column(Typed(LabelSettings))
    sampling: Mapped[SamplingSettings] = mapped_column(Typed(SamplingSettings))
    plan: Mapped[SamplingPlan] = mapped_column(Typed(SamplingPlan), default=SamplingPlan, server_default="{}")
    automation: Mapped[AutomationSettings] = mapped_column(Typed(AutomationSettings))
    overlap: Mapped[int] = mapped_column(default=1, server_default="1")
    check_share: Mapped[float] = mapped_column(default=0.0, server_default="0")
    # A person who misses so many of their last so many attention checks is paused.
    check_window: Mapped[int] = mapped_column(default=10, server_default="10")
    check_misses: Mapped[int] = mapped_column(default=3, server_default="3")
    control_share: Mapped[float] = mapped_column(default=0.2, server_default="0.2")
    queue_order: Mapped[QueueOrder] = mapped_column(
        enum_column(QueueOrder), default=QueueOrder.RANDOM, server_default=QueueOrder.RANDOM
    )
    pair_choice: Mapped[PairChoice] = mapped_column(
        enum_column(PairChoice), default=PairChoice.RANDOM, server_default=PairChoice.RANDOM
    )
    queue_depth: Mapped[int] = mapped_column(default=50, server_default="50")
    lease_minutes: Mapped[int] = mapped_column(default=30, server_default="30")
    # Whether the checklist of the first round was hidden.
    first_round_hidden: Mapped[bool] = mapped_column(default=False, server_default=false())
    archived_at: Mapped[datetime | None]
    goes_since: Mapped[datetime | None]  # deleted: nobody finds it any more, and a worker goes on until nothing is left
    labels_deleted_at: Mapped[datetime | None]  # when labels last went for good: what has learned from them begins anew
    created_at: Mapped[CreatedAt]

    base_model: Mapped["Model"] = relationship(foreign_keys=[base_model_id])
    instructions: Mapped["Instructions | None"] = relationship(foreign_keys=[instructions_id])
    policy: Mapped["Model | None"] = relationship(foreign_keys=[policy_id])
    members: Mapped[list["Member"]] = relationship(back_populates="project", passive_deletes=True)

    @property
    def version(self) -> int | None:
        """The number of the present version of its guidelines and of what it asks."""
        return self.instructions.number if self.instructions else None


class Member(Base):
    """A person's role in a project; paused annotators get no items."""

    __tablename__ = "member"

    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[Role] = mapped_column(enum_column(Role))
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[str | None] = mapped_column(String(200))
    removed_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    project: Mapped[Project] = relationship(back_populates="members")
    user: Mapped[User] = relationship()
