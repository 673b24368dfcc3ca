"""What annotators ask the managers about an item, and what these answer."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.account import User
from app.models.base import Base, CreatedAt, Id
from app.models.item import Item


class Flag(Base):
    """One person's question about one item, with its thread. Open until a manager closes it; a person has at most one
    open flag on an item."""

    __tablename__ = "flag"
    __table_args__ = (
        Index("ix_flag_project", "project_id", "id"),
        Index("ix_flag_person", "person_id", "project_id", "id"),
        Index("uq_flag_open", "item_id", "person_id", unique=True, postgresql_where=text("closed_at is null")),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    seen_at: Mapped[datetime | None]  # when its person last looked at the thread
    closed_at: Mapped[datetime | None]
    closed_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    created_at: Mapped[CreatedAt]

    item: Mapped[Item] = relationship()
    person: Mapped[User] = relationship(foreign_keys=person_id)
    messages: Mapped[list["FlagMessage"]] = relationship(
        order_by="FlagMessage.id", cascade="all, delete-orphan", passive_deletes=True
    )


class FlagMessage(Base):
    """One message of a thread."""

    __tablename__ = "flag_message"
    __table_args__ = (Index("ix_flag_message_flag", "flag_id", "id"),)

    id: Mapped[Id]
    flag_id: Mapped[int] = mapped_column(ForeignKey("flag.id", ondelete="CASCADE"))
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]

    author: Mapped[User] = relationship()
