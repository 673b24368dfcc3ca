"""What a model answered to a prompt, and exactly how the answer was drawn."""

from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, CreatedAt, Id, WrittenText, enum_column
from app.models.model import Model
from app.models.prompt import Prompt


class Strategy(StrEnum):
    """The most probable token each time, or a draw from the distribution."""

    GREEDY = "greedy"
    STOCHASTIC = "stochastic"


class Response(Base):
    """One sampled answer."""

    __tablename__ = "response"

    id: Mapped[Id]
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id", ondelete="CASCADE"), index=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    text: Mapped[str] = mapped_column(WrittenText)
    # `text` as the labelling screen shows it, and what made it so: see `app.web.markdown.rendering`.
    html: Mapped[str | None] = mapped_column(WrittenText, deferred=True)
    html_by: Mapped[str | None] = mapped_column(String(16), deferred=True)
    finish_reason: Mapped[str] = mapped_column(String(16))  # stop | length
    token_count: Mapped[int]
    strategy: Mapped[Strategy] = mapped_column(enum_column(Strategy))
    temperature: Mapped[float | None]
    top_p: Mapped[float | None]
    top_k: Mapped[int | None]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]

    prompt: Mapped[Prompt] = relationship()
    model: Mapped[Model] = relationship()
