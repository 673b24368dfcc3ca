"""Who did what, when."""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.account import User
from app.models.base import Base, CreatedAt, Id, Typed
from app.models.documents import EventDetails


class AuditEvent(Base):
    """Append-only. `action` reads `subject.verb`, e.g. `policy.promoted`."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_project", "project_id", "id"),
        Index("ix_audit_event_action", "project_id", "action", "id"),
    )

    id: Mapped[Id]
    at: Mapped[CreatedAt]
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))  # null: the platform itself
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id", ondelete="SET NULL"))
    action: Mapped[str] = mapped_column(String(64))
    subject_type: Mapped[str | None] = mapped_column(String(32))
    subject_id: Mapped[int | None]
    details: Mapped[EventDetails] = mapped_column(Typed(EventDetails), default=dict, server_default="{}")

    actor: Mapped[User | None] = relationship()
