"""Which scheduling process leads, and when it last did what has to happen by itself."""

from datetime import datetime

from sqlalchemy import CheckConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Scheduler(Base):
    """One row, made by the migration. Times are the database's."""

    __tablename__ = "scheduler"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    leader: Mapped[str | None]
    leads_until: Mapped[datetime | None]
    swept_at: Mapped[datetime | None]
