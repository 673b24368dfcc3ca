"""What live heads learn on, and what they know: all of it is derived, and made anew from responses and labels."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Typed


class ResponseFeatures(Base):
    """What a reward model's trunk made of a response: the mean of its states and the state at its end."""

    __tablename__ = "response_features"

    model_id: Mapped[int] = mapped_column(ForeignKey("model.id", ondelete="CASCADE"), primary_key=True)
    response_id: Mapped[int] = mapped_column(
        ForeignKey("response.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    states: Mapped[bytes] = mapped_column(LargeBinary)  # float16, little-endian, the mean first
    tokens: Mapped[int]  # of the response, by the reward model's tokenizer


class HeadState(StrEnum):
    """Whether a head orders the queue, or why the order is random."""

    ORDERS = "orders"
    OFF = "off"  # the project wants it so
    NO_MODEL = "no_model"
    NO_FEATURES = "no_features"
    FEW_LABELS = "few_labels"
    ONE_RATER = "one_rater"
    NO_BETTER = "no_better"  # than a coin


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CurvePoint(_Told):
    """How good the head was after so many preferences, on all that measure now."""

    labels: int
    accuracy: float
    low: float
    high: float
    loss: float


class Measured(_Told):
    """A difference with its 95% interval, accuracy as a share and log-loss in nats."""

    labels: int
    accuracy: float
    low: float
    high: float
    loss: float
    loss_low: float
    loss_high: float


class Gain(_Told):
    """What the next labels are expected to bring, in accuracy, with the interval of what the last ones brought."""

    labels: int
    measured: int  # labels that it was measured by
    expected: float
    low: float
    high: float


class HeadReport(_Told):
    """What a head tells of itself. able: it knows enough to choose, whether or not the project wants it to order the
    queue. measuring: preferences on holdout prompts, which teach nothing; usable: waiting
    items that it can order; waiting: all of them; unread: labels that it cannot learn, for their responses have no
    features of its reward model; moved: how far learning label by label was from the exact fit."""

    state: HeadState
    able: bool = False
    labels: int = 0
    raters: int = 0
    measuring: int = 0
    unread: int = 0
    usable: int = 0
    waiting: int = 0
    unusable_features: int = 0
    foreign_features: int = 0
    moved: float | None = None
    curve: list[CurvePoint] = []
    order: Measured | None = None
    choice: Measured | None = None
    gain: Gain | None = None


class ProjectHead(Base):
    """A project's head as the process that keeps it last wrote it down."""

    __tablename__ = "live_head"

    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id", ondelete="SET NULL"))  # whose trunk it reads
    space: Mapped[bytes | None] = mapped_column(LargeBinary)  # of its features; without it one is made anew
    knowledge: Mapped[bytes | None] = mapped_column(LargeBinary)  # mean and covariance
    report: Mapped[HeadReport] = mapped_column(Typed(HeadReport))
    told_at: Mapped[datetime]
