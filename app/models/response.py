"""A response to a prompt, who or what wrote it, and exactly how it was sampled where a model did."""

from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.account import User
from app.models.base import Base, CreatedAt, Id, Typed, WrittenText, enum_column
from app.models.documents import Extra
from app.models.model import Model
from app.models.prompt import Prompt


class Strategy(StrEnum):
    """Greedy: the likeliest token each time. Stochastic: sampled from the distribution."""

    GREEDY = "greedy"
    STOCHASTIC = "stochastic"


class Origin(StrEnum):
    """Who or what wrote a response."""

    MODEL = "model"
    PERSON = "person"
    IMPORT = "import"


class Response(Base):
    """One response by exactly one origin: a model of ours, a person of ours, or whoever an import names. What a model's
    settings were, how many tokens it took and why it ended may be unknown; of a person's it is."""

    __tablename__ = "response"
    __table_args__ = (CheckConstraint("num_nonnulls(model_id, author_id, imported_from) = 1", name="origin"),)

    id: Mapped[Id]
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id", ondelete="CASCADE"), index=True)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("model.id"), index=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"), index=True)
    imported_from: Mapped[str | None] = mapped_column(String(200))  # the name that an import gave
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"), index=True)
    text: Mapped[str] = mapped_column(WrittenText)
    # `text` as the labelling screen shows it, and what made it so: see `app.web.markdown.rendering`.
    html: Mapped[str | None] = mapped_column(WrittenText, deferred=True)
    html_by: Mapped[str | None] = mapped_column(String(16), deferred=True)
    finish_reason: Mapped[str | None] = mapped_column(String(16))  # stop | length
    token_count: Mapped[int | None]
    strategy: Mapped[Strategy | None] = mapped_column(enum_column(Strategy))
    temperature: Mapped[float | None]
    top_p: Mapped[float | None]
    top_k: Mapped[int | None]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    extra: Mapped[Extra | None] = mapped_column(Typed(Extra))
    created_at: Mapped[CreatedAt]

    prompt: Mapped[Prompt] = relationship()
    model: Mapped[Model | None] = relationship()
    author: Mapped[User | None] = relationship()

    @property
    def origin(self) -> Origin:
        """Which of the three wrote it."""
        if self.model_id is not None:
            return Origin.MODEL
        return Origin.IMPORT if self.author_id is None else Origin.PERSON

    @property
    def writer(self) -> str:
        """The name of who or what wrote it."""
        return self.model.name if self.model else self.author.name if self.author else self.imported_from or ""
