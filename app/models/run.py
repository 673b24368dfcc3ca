"""Every long job: preparing, sampling, training, scoring, evaluating. Its state is the queue."""

from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app import logs
from app.models.base import Base, CreatedAt, Id, Typed, WrittenText, enum_column
from app.models.documents import DeletedLabels, Messages, RaterNote, RunSummary, SampleDetails
from app.models.model import Model
from app.models.run_config import AnyConfig, RunConfig, RunKind

C = TypeVar("C", bound=RunConfig)


class RunState(StrEnum):
    """queued -> running -> succeeded | failed | cancelled, with cancelling between running and cancelled."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Snapshot(Base):
    """A frozen set of label revisions; a reward model is trained on exactly one. Its counts are of what it holds now:
    labels that went with their person are in `deleted`, and `content_hash` is of all that it held at first."""

    __tablename__ = "snapshot"
    __table_args__ = (UniqueConstraint("project_id", "content_hash"),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    content_hash: Mapped[str] = mapped_column(String(64))
    label_count: Mapped[int]
    train_pair_count: Mapped[int]
    holdout_pair_count: Mapped[int]
    # What was known at that time of those who have missed or passed checks or were paused, by `Label.rater`; and how
    # many levels of strength people could choose from. Not known of snapshots from before these were kept.
    raters: Mapped[dict[int, RaterNote]] = mapped_column(Typed(dict[int, RaterNote]), default=dict, server_default="{}")
    levels: Mapped[int] = mapped_column(default=0, server_default="0")
    deleted: Mapped[DeletedLabels | None] = mapped_column(Typed(DeletedLabels))
    created_at: Mapped[CreatedAt]


class SnapshotLabel(Base):
    """Membership of a label revision in a snapshot."""

    __tablename__ = "snapshot_label"

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id", ondelete="CASCADE"), primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey("label.id", ondelete="CASCADE"), primary_key=True, index=True)


class Run(Base):
    """Claimed by one worker with a compare-and-set on `state` and `claim`; alive while `heartbeat_at` is fresh."""

    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint("(kind = 'training') = (method is not null)", name="method"),
        CheckConstraint("kind = 'preparation' or project_id is not null", name="project"),
        CheckConstraint("(kind in ('import', 'undo', 'export')) = (model_id is null)", name="model"),
        Index("ix_run_project_recent", "project_id", "id"),
        Index("ix_run_project_kind", "project_id", "kind", "id"),  # the last one of a kind, however many there are
        Index("ix_run_active", "state", postgresql_where=text("state in ('queued', 'running', 'cancelling')")),
    )

    id: Mapped[Id]
    # Null: of the whole installation, as a base model that several projects may wait for.
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    kind: Mapped[RunKind] = mapped_column(enum_column(RunKind))
    method: Mapped[str | None] = mapped_column(String(64))  # of training, by its name in app.methods
    state: Mapped[RunState] = mapped_column(enum_column(RunState))
    config: Mapped[RunConfig] = mapped_column(Typed(AnyConfig))
    # What is prepared, sampled from, trained or scores. Null of runs that need no model, and never asked for of those.
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), nullable=True)
    reward_model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))  # PPO's reward
    baseline_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))  # an evaluation's other side
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("snapshot.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))  # cloned or resumed from
    needs_gpu: Mapped[bool] = mapped_column(default=False, server_default="false")
    attempt: Mapped[int] = mapped_column(default=0, server_default="0")
    max_attempts: Mapped[int] = mapped_column(default=3, server_default="3")
    claim: Mapped[str | None] = mapped_column(String(64))  # drawn anew by each claim; writes of an older one are void
    # Name of the folder, inside the run's own, that holds what a next attempt goes on from. Null: nothing was done yet,
    # or by a version that worked in the run's folder itself.
    workspace: Mapped[str | None] = mapped_column(String(40))
    worker: Mapped[str | None] = mapped_column(String(200))
    device: Mapped[str | None] = mapped_column(String(100))
    heartbeat_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]  # queued, but somebody is still at work in its folder
    sent_at: Mapped[datetime | None]  # when its message last left for the broker
    step: Mapped[int] = mapped_column(default=0, server_default="0")
    total_steps: Mapped[int | None]
    unit: Mapped[str | None] = mapped_column(String(20))  # what a step is: prompts, steps, updates
    steps_per_second: Mapped[float | None]
    summary: Mapped[RunSummary | None] = mapped_column(Typed(RunSummary))
    error: Mapped[str | None] = mapped_column(WrittenText)
    # Of the request that queued it last, by which its logs are found; null: the platform itself, or a command did.
    request_id: Mapped[str | None] = mapped_column(String(64), default=logs.request_id)
    automatic: Mapped[bool] = mapped_column(default=False, server_default="false")
    # What its manager says about it: a name of its own, words to find it by, whatever is worth knowing later.
    name: Mapped[str] = mapped_column(String(120), default="", server_default="")
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(40)), default=list, server_default="{}")
    note: Mapped[str] = mapped_column(WrittenText, default="", server_default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    model: Mapped[Model] = relationship(foreign_keys=[model_id])
    reward_model: Mapped[Model | None] = relationship(foreign_keys=[reward_model_id])
    baseline: Mapped[Model | None] = relationship(foreign_keys=[baseline_id])
    snapshot: Mapped[Snapshot | None] = relationship()

    def asked(self, kind: type[C]) -> C:
        """The config, which must be of this kind."""
        if not isinstance(self.config, kind):
            raise TypeError(f"run {self.id} is for {self.kind.value}")
        return self.config


class RunMetric(Base):
    """One value of one curve."""

    __tablename__ = "run_metric"

    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float]


class RunSample(Base):
    """What the policy said at a step."""

    __tablename__ = "run_sample"
    __table_args__ = (Index("ix_run_sample_step", "run_id", "step"),)

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    step: Mapped[int]
    prompt: Mapped[Messages] = mapped_column(Typed(Messages))
    response: Mapped[str] = mapped_column(WrittenText)
    score: Mapped[float | None]
    details: Mapped[SampleDetails] = mapped_column(Typed(SampleDetails), default=dict, server_default="{}")


class ResponseScore(Base):
    """A reward model's score of a sampled response."""

    __tablename__ = "response_score"

    model_id: Mapped[int] = mapped_column(ForeignKey("model.id", ondelete="CASCADE"), primary_key=True)
    response_id: Mapped[int] = mapped_column(
        ForeignKey("response.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    score: Mapped[float]
    spread: Mapped[float | None]  # of the ensemble's heads
