"""Chat with the served policy, whose prompts may come back to stage 1."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, CreatedAt, Id, WrittenText, enum_column
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
    """What the reader thought of a response."""

    UP = "up"
    DOWN = "down"


class TurnChoice(StrEnum):
    """Which of two responses to the same turn the reader preferred."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"


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
        order_by="Turn.position, Turn.variant",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )


class Turn(Base):
    """One message; a response names the model that wrote it.

    A response written again is another variant at the same position; the conversation goes on from the kept one.
    """

    __tablename__ = "turn"
    __table_args__ = (
        UniqueConstraint("conversation_id", "position", "variant"),
        Index("uq_turn_kept", "conversation_id", "position", unique=True, postgresql_where=text("kept")),
        Index("ix_turn_prompt_id", "prompt_id", postgresql_where=text("prompt_id is not null")),
        Index("ix_turn_streaming", "conversation_id", postgresql_where=text("state = 'streaming'")),
    )

    id: Mapped[Id]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    position: Mapped[int]
    variant: Mapped[int] = mapped_column(default=0, server_default="0")
    kept: Mapped[bool] = mapped_column(default=True, server_default="true")
    role: Mapped[TurnRole] = mapped_column(enum_column(TurnRole))
    content: Mapped[str] = mapped_column(WrittenText)
    state: Mapped[TurnState] = mapped_column(enum_column(TurnState))
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"))
    prompt_id: Mapped[int | None] = mapped_column(ForeignKey("prompt.id", ondelete="SET NULL"))  # once collected
    thumb: Mapped[Thumb | None] = mapped_column(enum_column(Thumb))
    finish_reason: Mapped[str | None] = mapped_column(String(16))  # stop | length
    left_out: Mapped[int] = mapped_column(default=0, server_default="0")  # oldest turns the context had no room for
    error: Mapped[str | None] = mapped_column(WrittenText)  # of a failed response, for the reader
    ended_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]

    conversation: Mapped[Conversation] = relationship(back_populates="turns")
    model: Mapped[Model | None] = relationship()


class TurnComparison(Base):
    """Two responses to the same turn, offered to the reader; `choice` is null until they say which is better."""

    __tablename__ = "turn_comparison"

    id: Mapped[Id]
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), index=True)
    first_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), index=True)
    second_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), unique=True)
    choice: Mapped[TurnChoice | None] = mapped_column(enum_column(TurnChoice))
    chosen_at: Mapped[datetime | None]
    # Where the choice counts as a label, with its person's consent.
    item_id: Mapped[int | None] = mapped_column(ForeignKey("item.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]

    first: Mapped[Turn] = relationship(foreign_keys=[first_id])
    second: Mapped[Turn] = relationship(foreign_keys=[second_id])
