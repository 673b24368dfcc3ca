"""How much of what is shared a project may take, as its administrators set it."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base

LIMITS = ("runs_at_once", "runs_per_day", "storage_bytes", "tokens")


class Quota(Base):
    """A project's limits, each of which may be missing, and what it has used of those that are not counted anew. A row
    of its own: it changes with each request to an endpoint, and a project's row with its settings. A project without
    a row has no limits."""

    __tablename__ = "quota"
    __table_args__ = tuple(CheckConstraint(f"{name} >= 0", name=name) for name in (*LIMITS, "tokens_used"))

    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    runs_at_once: Mapped[int | None]  # queued, running or being cancelled, of whatever kind
    runs_per_day: Mapped[int | None]  # made in any 24 hours
    storage_bytes: Mapped[int | None]  # of the files of its runs, models and imports
    tokens: Mapped[int | None]  # of endpoints, prompts and responses together, in all
    # As with an endpoint: what is under way is counted at its most.
    tokens_used: Mapped[int] = mapped_column(default=0, server_default="0")
    storage_used: Mapped[int | None]  # none: not measured yet
    storage_measured_at: Mapped[datetime | None]
