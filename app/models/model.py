"""One registry for base models, policies and reward models, and where their artifacts lie."""

from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, CreatedAt, Id, Typed, enum_column
from app.models.documents import ModelMetrics

if TYPE_CHECKING:
    from app.models.endpoint import Endpoint

FOLDER, ENDPOINT, NOWHERE = "folder", "endpoint", "nowhere"
"""Where a model answers from: its files in the store, an API, or nowhere, where it is only a name. Extensions may
register more (`workers.sources`)."""


class ModelKind(StrEnum):
    """What a model is for."""

    BASE = "base"
    POLICY = "policy"
    REWARD = "reward"


class ModelState(StrEnum):
    """`preparing` until a base model's files are in the store; runs register models as `ready`."""

    PREPARING = "preparing"
    READY = "ready"
    FAILED = "failed"
    ARCHIVED = "archived"


class Model(Base):
    """A language model or reward model: a Hugging Face folder in the store, or what answers from elsewhere."""

    __tablename__ = "model"
    __table_args__ = (Index("uq_model_base_source", "source", unique=True, postgresql_where=text("kind = 'base'")),)

    id: Mapped[Id]
    project_id: Mapped[int | None] = mapped_column(
        ForeignKey("project.id", ondelete="CASCADE", use_alter=True), index=True
    )  # base models belong to no project
    kind: Mapped[ModelKind] = mapped_column(enum_column(ModelKind))
    name: Mapped[str] = mapped_column(String(200))
    answers_from: Mapped[str] = mapped_column(String(32), default=FOLDER, server_default=FOLDER)
    source: Mapped[str | None] = mapped_column(String(500))  # of what no run made: folder, hub id, tiny:..., ...
    offered: Mapped[bool] = mapped_column(default=False, server_default="false")  # by an administrator
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id", use_alter=True), index=True)
    artifact: Mapped[str | None] = mapped_column(String(500))  # address relative to the store
    state: Mapped[ModelState] = mapped_column(enum_column(ModelState))
    error: Mapped[str | None] = mapped_column(Text)
    metrics: Mapped[ModelMetrics] = mapped_column(Typed(ModelMetrics), default=dict, server_default="{}")
    created_at: Mapped[CreatedAt]

    parent: Mapped["Model | None"] = relationship(remote_side="Model.id")
    endpoint: Mapped["Endpoint | None"] = relationship(back_populates="model", passive_deletes=True)
