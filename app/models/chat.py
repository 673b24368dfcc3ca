"""Chat with the served policy, whose prompts may come back to stage 1."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, CreatedAt, Id, enum_column
from app.models.model import Model


class TurnRole(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"


class TurnState(StrEnum):
    """An assistant's turn is `streaming` until its text is whole; `stopped` where the reader left."""

    STREAMING = "streaming"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Thumb(StrEnum):
    """What the reader thought of an answer."""

    UP = "up"
    DOWN = "down"


class Conversation(Base):
    """One person's chat in one project. Without consent nothing of it leaves this table."""

    __tablename__ = "conversation"
    __table_args__ = (Index("ix_conversation_user", "user_id", "project_id", "id"),)

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    consent: Mapped[bool] = mapped_column(default=False, server_default="false")
    created_at: Mapped[CreatedAt]

    turns: Mapped[list["Turn"]] = relationship(
        back_populates="conversation",
        order_by="Turn.position",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Turn(Base):
    """One message; an answer names the model that wrote it."""

    __tablename__ = "turn"
    __table_args__ = (UniqueConstraint("conversation_id", "position"),)

    id: Mapped[Id]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    position: Mapped[int]
    role: Mapped[TurnRole] = mapped_column(enum_column(TurnRole))
    content: Mapped[str] = mapped_column(Text)
    state: Mapped[TurnState] = mapped_column(enum_column(TurnState))
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    prompt_id: Mapped[int | None] = mapped_column(ForeignKey("prompt.id", ondelete="SET NULL"))  # once collected
    thumb: Mapped[Thumb | None] = mapped_column(enum_column(Thumb))
    ended_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    conversation: Mapped[Conversation] = relationship(back_populates="turns")
    model: Mapped[Model | None] = relationship()
