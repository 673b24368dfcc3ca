"""What we ask the model."""

from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, Id, Typed, enum_column
from app.models.documents import Extra, Messages


class PromptSource(StrEnum):
    """Where a prompt came from."""

    STARTER = "starter"
    IMPORT = "import"
    API = "api"
    CHAT = "chat"


class PromptStatus(StrEnum):
    """Only active prompts are sampled; those from chat wait in `review` until a manager admits them."""

    REVIEW = "review"
    ACTIVE = "active"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Split(StrEnum):
    """Fixed when the prompt comes, by its conversation's first user turn. A holdout prompt's labels train nothing."""

    TRAIN = "train"
    HOLDOUT = "holdout"


CHOOSE = ("0", "1", "2", "3", "4")  # the last digits of those hashes: five in sixteen


class Prompt(Base):
    """A conversation that ends with the user's turn."""

    __tablename__ = "prompt"
    __table_args__ = (
        Index("uq_prompt_content", "project_id", "content_hash", unique=True),
        Index("ix_prompt_project_status", "project_id", "status", "id"),
        Index("ix_prompt_split_key", "project_id", "split_key", "id"),
        Index("ix_prompt_twin_keys", "twin_keys", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
        Index("ix_prompt_run_id", "run_id", postgresql_where=text("run_id is not null")),
    )

    id: Mapped[Id]
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    messages: Mapped[Messages] = mapped_column(Typed(Messages))
    # The messages as the labelling screen shows them, and what made them so: see `app.web.markdown.rendering`.
    html: Mapped[list[str] | None] = mapped_column(deferred=True)
    html_by: Mapped[str | None] = mapped_column(String(16))
    content_hash: Mapped[str] = mapped_column(String(64))
    source: Mapped[PromptSource] = mapped_column(enum_column(PromptSource))
    status: Mapped[PromptStatus] = mapped_column(enum_column(PromptStatus))
    split: Mapped[Split] = mapped_column(enum_column(Split))
    # Of the first user turn: prompts that share it are on one side, see `app.prompts.reading.split_key`.
    split_key: Mapped[str | None] = mapped_column(String(64))
    # What near twins of that turn share, see `app.prompts.twins`.
    twin_keys: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), default=list, server_default="{}", deferred=True)
    flags: Mapped[list[str]] = mapped_column(default=list, server_default="[]")  # e.g. possible personal data
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("run.id"))  # of the import that brought it
    extra: Mapped[Extra | None] = mapped_column(Typed(Extra))
    created_at: Mapped[CreatedAt]

    @hybrid_property
    def chooses(self) -> bool:
        """Whether this prompt, where it is held out, is one that chooses checkpoints: what chose does not report."""
        return self.content_hash[-1] in CHOOSE

    @chooses.inplace.expression
    @classmethod
    def _chooses(cls) -> ColumnElement[bool]:
        return func.right(cls.content_hash, 1).in_(CHOOSE)
