"""Where a model answers from that is no folder of ours: an OpenAI-compatible API."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base
from app.models.model import Model


class Endpoint(Base):
    """The address of one model at one API, what it may be asked, and what it has cost so far.

    A key is named, never held: `key_name` is looked up in the file that HONE_ENDPOINT_KEYS names, by whoever asks."""

    __tablename__ = "endpoint"
    __table_args__ = (
        CheckConstraint("requests_per_minute between 1 and 100000", name="requests_per_minute"),
        CheckConstraint("at_once between 1 and 64", name="at_once"),
        CheckConstraint("token_limit >= 1", name="token_limit"),
        CheckConstraint("tokens_in >= 0 and tokens_out >= 0 and tokens_estimated >= 0", name="tokens"),
    )

    model_id: Mapped[int] = mapped_column(ForeignKey("model.id", ondelete="CASCADE"), primary_key=True)
    base_url: Mapped[str] = mapped_column(String(500))  # ends before /chat/completions
    served_name: Mapped[str] = mapped_column(String(200))  # what the model is called there
    key_name: Mapped[str | None] = mapped_column(String(64))
    requests_per_minute: Mapped[int] = mapped_column(default=60, server_default="60")
    at_once: Mapped[int] = mapped_column(default=4, server_default="4")  # requests of one run under way
    token_limit: Mapped[int | None]  # of prompts and answers together, in all; none: no limit
    # By the API's own count, where it gave one; `tokens_estimated` of them are our estimate. What is under way is
    # counted at its most before it is asked for, so that no limit is passed however many ask at once.
    tokens_in: Mapped[int] = mapped_column(default=0, server_default="0")
    tokens_out: Mapped[int] = mapped_column(default=0, server_default="0")
    tokens_estimated: Mapped[int] = mapped_column(default=0, server_default="0")
    price_in: Mapped[float | None]  # of a million tokens, in whatever currency; only shown
    price_out: Mapped[float | None]
    tried_at: Mapped[datetime | None]
    tried_well: Mapped[bool | None]
    tried_said: Mapped[str | None] = mapped_column(Text)  # the answer to a short question, or what went wrong

    model: Mapped[Model] = relationship(back_populates="endpoint")

    @property
    def tokens_used(self) -> int:
        """Of prompts and answers together."""
        return self.tokens_in + self.tokens_out

    @property
    def cost(self) -> float | None:
        """What the tokens cost at the prices given; None without any price."""
        if self.price_in is None and self.price_out is None:
            return None
        return (self.tokens_in * (self.price_in or 0) + self.tokens_out * (self.price_out or 0)) / 1e6
