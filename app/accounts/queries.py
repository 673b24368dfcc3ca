"""The SQL of accounts."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Select, bindparam, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session, joinedload, undefer

from app.accounts.emails import spellings
from app.models import ApiToken, AuditEvent, Member, Model, SignInLink, User, WebSession
from app.web.pages import Page, page

_TOKEN_SEEN_EVERY = timedelta(minutes=1)


class Credential(StrEnum):
    """What a request proves itself by."""

    COOKIE = "cookie"
    BEARER = "bearer"


# Asked at every request, so built once: the person behind a `token_hash`. An expired API token is found, so that the
# refusal can say it.
USER_BY = {
    Credential.COOKIE: select(User)
    .join(WebSession, WebSession.user_id == User.id)
    .where(
        WebSession.token_hash == bindparam("token_hash"),
        WebSession.expires_at > func.now(),
        User.disabled_at.is_(None),
    ),
    Credential.BEARER: select(User)
    .join(ApiToken, ApiToken.user_id == User.id)
    .where(
        ApiToken.token_hash == bindparam("token_hash"),
        ApiToken.revoked_at.is_(None),
        User.disabled_at.is_(None),
    ),
}


def note_use(session: Session, token_hash: str) -> None:
    """Keep when an API token was last used; to the minute, not written on every request."""
    session.execute(
        update(ApiToken)
        .where(
            ApiToken.token_hash == token_hash,
            or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < func.now() - _TOKEN_SEEN_EVERY),
        )
        .values(last_used_at=func.now())
        .execution_options(synchronize_session=False)
    )


def user_by_email(session: Session, email: str) -> User | None:
    """The account with this e-mail, however it is spelled; of two, the one stored just like that."""
    known, stored = spellings(email), func.lower(User.email)
    return session.scalar(select(User).where(stored.in_(known)).order_by(stored != known[-1]).limit(1))


def has_users(session: Session) -> bool:
    """Whether anybody has an account."""
    return bool(session.scalar(select(exists().where(User.id.is_not(None)))))


def admin_never_here(session: Session) -> User | None:
    """The only account, an administrator without a password who has used no link yet."""
    if session.scalar(select(func.count()).select_from(User)) != 1:
        return None
    return session.scalar(
        select(User).where(
            User.is_admin,
            User.password_hash.is_(None),
            ~exists().where(SignInLink.user_id == User.id, SignInLink.used_at.is_not(None)),
        )
    )


def users(session: Session, text: str, before: int | None, limit: int = 50) -> Page[User]:
    """Accounts whose name or e-mail contains `text`."""
    statement: Select[User] = select(User)
    if text:
        statement = statement.where(
            or_(User.name.icontains(text, autoescape=True), User.email.icontains(text, autoescape=True))
        )
    return page(session, statement, User.id, before, limit)


def lock_admins(session: Session) -> list[int]:
    """Ids of those who can run the installation, held until the transaction ends."""
    return list(
        session.scalars(
            select(User.id).where(User.is_admin, User.disabled_at.is_(None)).order_by(User.id).with_for_update()
        )
    )


def void_links(session: Session, user_id: int) -> None:
    """Void a person's sign-in links that were not used."""
    session.execute(delete(SignInLink).where(SignInLink.user_id == user_id, SignInLink.used_at.is_(None)))


def open_link(session: Session, token_hash: str) -> SignInLink | None:
    """A sign-in link that was not used and is not too old."""
    return session.scalar(
        select(SignInLink)
        .join(User, User.id == SignInLink.user_id)
        .where(
            SignInLink.token_hash == token_hash,
            SignInLink.used_at.is_(None),
            SignInLink.expires_at > func.now(),
            User.disabled_at.is_(None),
        )
    )


def use_link(session: Session, token_hash: str) -> User | None:
    """Mark the link used and return its person, in one statement: of two at once, one finds it used."""
    used = (
        update(SignInLink)
        .where(SignInLink.token_hash == token_hash, SignInLink.used_at.is_(None), SignInLink.expires_at > func.now())
        .values(used_at=func.now())
        .returning(SignInLink.user_id)
    )
    user_id = session.scalar(used)
    if user_id is None:
        return None
    return session.scalar(select(User).where(User.id == user_id, User.disabled_at.is_(None)))


def _tokens(user_id: int) -> Select[ApiToken]:
    return select(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))


def tokens(session: Session, user_id: int) -> Sequence[ApiToken]:
    """A person's API tokens that are not revoked, newest first; expired ones too."""
    return session.scalars(_tokens(user_id).order_by(ApiToken.id.desc())).all()


def listed_tokens(session: Session, user_id: int, before: int | None, limit: int) -> Page[ApiToken]:
    """The same, a page at a time."""
    return page(session, _tokens(user_id), ApiToken.id, before, limit)


def token(session: Session, user_id: int, token_id: int) -> ApiToken | None:
    """One API token of this person that is not revoked."""
    return session.scalar(
        select(ApiToken).where(ApiToken.id == token_id, ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    )


def revoke_tokens(session: Session, user_id: int) -> None:
    """Make all API tokens of a person useless."""
    session.execute(
        update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None)).values(revoked_at=func.now())
    )


def events(
    session: Session,
    project_id: int | None,
    before: int | None,
    action: str = "",
    limit: int = 50,
    *,
    actor_id: int | None = None,
    automatic: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[AuditEvent]:
    """The audit trail of a project, or of the whole installation; `action` keeps those that begin with it, `actor_id`
    what this person did, `automatic` what nobody did, `since` and `until` what was done from then and before then."""
    statement: Select[AuditEvent] = select(AuditEvent).options(joinedload(AuditEvent.actor).undefer(User.shown))
    if actor_id is not None:
        statement = statement.where(AuditEvent.actor_id == actor_id)
    if automatic:
        statement = statement.where(AuditEvent.actor_id.is_(None))
    if since is not None:
        statement = statement.where(AuditEvent.at >= since)
    if until is not None:
        statement = statement.where(AuditEvent.at < until)
    if project_id is not None:
        statement = statement.where(AuditEvent.project_id == project_id)
    if action:
        statement = statement.where(AuditEvent.action.startswith(action, autoescape=True))
    return page(session, statement, AuditEvent.id, before, limit)


_MOST_ACTORS = 300


def actors(session: Session, project_id: int | None) -> list[User]:
    """Whose events can be looked for: everybody who is or was in a project, and administrators; the first of them by
    name."""
    people = select(User).options(undefer(User.shown)).order_by(func.lower(User.name), User.id).limit(_MOST_ACTORS)
    if project_id is not None:
        inside = exists().where(Member.user_id == User.id, Member.project_id == project_id)
        people = people.where(or_(inside, User.is_admin))
    return list(session.scalars(people))


def names(session: Session, user_ids: Sequence[int], model_ids: Sequence[int]) -> dict[tuple[str, int], str]:
    """(table, id) -> what people and models are called today."""
    found = {(User.__tablename__, number): name for number, name in shown(session, user_ids).items()}
    if model_ids:
        rows = session.execute(select(Model.id, Model.name).where(Model.id.in_(model_ids)))
        found |= {(Model.__tablename__, row.id): row.name for row in rows}
    return found


def shown(session: Session, user_ids: Collection[int]) -> dict[int, str]:
    """Number of a person -> what lists call them."""
    if not user_ids:
        return {}
    rows = session.execute(select(User.id, User.shown).where(User.id.in_(user_ids)))
    return {row.id: row.shown for row in rows}
