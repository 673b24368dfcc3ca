"""What people were told and asked, version by version. Rows are only added, and never changed."""

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, Id, Typed
from app.models.documents import Asked


class Instructions(Base):
    """One version of a project's guidelines and questions, which the labels given under it name. The same content again
    is the same version: labels that were given under the same words are to be told as such."""

    __tablename__ = "instructions"
    __table_args__ = (UniqueConstraint("project_id", "number"), UniqueConstraint("project_id", "content_hash"))

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    number: Mapped[int]  # from 1 on, within the project
    content_hash: Mapped[str] = mapped_column(String(64))
    # Read where a version is shown: lists of labels name only its number and its date.
    guidelines: Mapped[str] = mapped_column(Text, deferred=True)
    asked: Mapped[Asked] = mapped_column(Typed(Asked), deferred=True)
    created_at: Mapped[CreatedAt]
