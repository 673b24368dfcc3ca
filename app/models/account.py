"""People and what proves who they are. Tokens are stored as SHA-256 digests only."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, case, column, exists, table, text
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from app.models.base import Base, CreatedAt, Id, Typed, enum_column


class Role(StrEnum):
    """What a member may do in a project."""

    MANAGER = "manager"
    ANNOTATOR = "annotator"


_NAMESAKE = table("user", column("name", String), column("email", String)).alias("namesake")


class User(Base):
    """A person. `is_admin` may manage users and every project; all else comes from project memberships. `keys` are
    those of the labelling screen that they changed, by action; no request but those about them asks for them."""

    __tablename__ = "user"
    __table_args__ = (Index("uq_user_email_lower", text("lower(email)"), unique=True),)

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    is_admin: Mapped[bool] = mapped_column(default=False, server_default="false")
    disabled_at: Mapped[datetime | None]
    labels_go_since: Mapped[datetime | None]  # deleted with their labels: a worker goes on until none is left
    chats_go_since: Mapped[datetime | None]  # deleted without their labels: likewise with their conversations
    keys: Mapped[dict[str, str]] = mapped_column(Typed(dict[str, str]), default={}, server_default="{}", deferred=True)
    created_at: Mapped[CreatedAt]
    shown: Mapped[str] = column_property(
        case(
            (exists().where(_NAMESAKE.c.name == name, _NAMESAKE.c.email != email), name + ", " + email),
            else_=name,
        ),
        deferred=True,
    )
    """What lists call them: their name, and their e-mail too where others are called the same."""


class WebSession(Base):
    """A signed-in browser. `device` says which in words; what came before there were these has neither."""

    __tablename__ = "web_session"

    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    device: Mapped[str | None] = mapped_column(String(80))
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    user: Mapped[User] = relationship()


class SignInLink(Base):
    """A link that signs one person in, once."""

    __tablename__ = "sign_in_link"

    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    user: Mapped[User] = relationship()


class ApiToken(Base):
    """A bearer token for the JSON API. `scopes` are those of `app.accounts.scopes`; one without `expires_at` lasts."""

    __tablename__ = "api_token"

    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[list[str]]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    user: Mapped[User] = relationship()


class Invitation(Base):
    """A link with which a new or known person joins a project in a role, once."""

    __tablename__ = "invitation"

    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(enum_column(Role))
    note: Mapped[str | None] = mapped_column(String(200))
    created_by_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
