"""The rules of accounts: sign-in, one-time links, passwords, API tokens, and what administrators do.

Random tokens leave this module once, as return values; the database holds their digests.
"""

import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import emails, passwords, queries, sessions
from app.accounts.audit import record
from app.accounts.scopes import Scope
from app.models import ApiToken, SignInLink, User
from app.web import names, rate_limits
from app.web.errors import Conflict, Invalid, NotFound
from app.web.signing import digest

LINK_LIFETIME = timedelta(days=1)
MOST_TOKENS = 20
TOKEN_DAYS = 90
EMAIL_CHANGES = "10/day"
_TAKEN = "This e-mail cannot be used."


def create_user(
    session: Session, email: str, name: str, password: str | None = None, *, is_admin: bool = False
) -> User:
    """A new account. Raises Invalid where the e-mail is taken or the password too weak."""
    if password is not None:
        passwords.check_strength(password, email)
    user = User(
        email=email, name=name, is_admin=is_admin, password_hash=passwords.hash_password(password) if password else None
    )
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError:
        raise Invalid(_TAKEN, "email") from None
    record(session, user, "user.created", subject=user, admin=is_admin)
    return user


def issue_link(session: Session, user: User, lifetime: timedelta = LINK_LIFETIME) -> str:
    """The token of a link that signs `user` in, once. Links issued before no longer do."""
    queries.void_links(session, user.id)
    token = secrets.token_urlsafe(32)
    session.add(SignInLink(token_hash=digest(token), user_id=user.id, expires_at=datetime.now(UTC) + lifetime))
    return token


def first_sign_in(session: Session, email: str = "admin@localhost.local", name: str = "Administrator") -> str | None:
    """On an installation without anybody: make its administrator and return the token of their sign-in link. Until
    that person has been here, each call gives a new link; afterwards None."""
    if not queries.has_users(session):
        user = create_user(session, email, name, is_admin=True)
    elif (waiting := queries.admin_never_here(session)) is not None:
        user = waiting
    else:
        return None
    return issue_link(session, user, timedelta(days=7))


def link_is_open(session: Session, token: str) -> bool:
    """Whether a sign-in link can still be used."""
    return queries.open_link(session, digest(token)) is not None


def use_link(session: Session, token: str) -> User:
    """Use a sign-in link up and return its person; a second try finds it used."""
    user = queries.use_link(session, digest(token))
    if user is None:
        raise NotFound("This sign-in link was used before, or is too old. Ask an administrator for a new one.")
    return user


def change_profile(session: Session, user: User, name: str, email: str) -> None:
    """Change the name that others see, and the e-mail to sign in with. What stays may be older than today's rules."""
    changed, errors = {}, {}
    for field, new, rule in (("name", name, names.clean), ("email", email, emails.clean)):
        if new != getattr(user, field):
            try:
                changed[field] = rule(new)
            except ValueError as refusal:
                errors[field] = str(refusal)
    if errors:
        raise Invalid("Please check the marked fields.", errors=errors)
    before = user.email
    if "email" in changed:
        rate_limits.hit(EMAIL_CHANGES, "e-mail of", str(user.id))  # each tells whether somebody has that address
    try:
        with session.begin_nested():
            for field, value in changed.items():
                setattr(user, field, value)
    except IntegrityError:
        raise Invalid(_TAKEN, "email") from None
    if before != user.email:
        record(session, user, "user.email_changed", subject=user)


def set_keys(session: Session, user: User, keys: dict[str, str]) -> None:
    """Keep a person's own keys of the labelling screen, in place of those before."""
    user.keys = keys
    session.flush()


def change_password(session: Session, user: User, new: str, keep_token: str | None) -> None:
    """Set a password. Every other browser is signed out, and API tokens and open sign-in links are void: whoever had
    the old password may have made them."""
    passwords.check_strength(new, user.email, "new")
    user.password_hash = passwords.hash_password(new)
    _void(session, user, keep_token)
    record(session, user, "password.changed", subject=user)


def _void(session: Session, user: User, keep_token: str | None = None) -> None:
    """End everything that proves `user` beside the password, but for the browser that holds `keep_token`."""
    sessions.delete_all(session, user.id, keep_token)
    queries.void_links(session, user.id)
    queries.revoke_tokens(session, user.id)


def create_token(
    session: Session, user: User, name: str, scopes: Collection[Scope], days: int | None = TOKEN_DAYS
) -> tuple[ApiToken, str]:
    """A new API token; its text is shown once. Without `days` it lasts until it is revoked: for administrators."""
    now = datetime.now(UTC)
    if Scope.ADMIN in scopes and not user.is_admin:
        raise Invalid("Only administrators may give a token this scope.", "scopes")
    if days is None and not user.is_admin:
        raise Invalid("Only administrators may create a token that does not expire.", "expires")
    if sum(one.expires_at is None or one.expires_at > now for one in queries.tokens(session, user.id)) >= MOST_TOKENS:
        raise Conflict(f"You have {MOST_TOKENS} tokens already. Revoke one that is no longer needed.")
    text = f"hone_{secrets.token_urlsafe(32)}"
    token = ApiToken(
        token_hash=digest(text),
        user_id=user.id,
        name=name,
        scopes=[scope.value for scope in Scope if scope in scopes],
        expires_at=None if days is None else now + timedelta(days=days),
    )
    session.add(token)
    record(session, user, "api_token.created", subject=token, name=name, scopes=token.scopes, days=days)
    return token, text


def revoke_token(session: Session, user: User, token_id: int) -> None:
    """Make a token of one's own useless at once."""
    token = queries.token(session, user.id, token_id)
    if token is None:
        raise NotFound("You have no such token.")
    token.revoked_at = datetime.now(UTC)
    record(session, user, "api_token.revoked", subject=token, name=token.name)


def person(session: Session, user_id: int) -> User:
    """Any account, for administrators."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such person.")
    return user


def reset_sign_in(session: Session, actor: User | None, user: User) -> str:
    """For a person who forgot: password, sessions, API tokens and earlier links end. Returns a new link's token."""
    if user.disabled_at:
        raise Conflict("This account is disabled. Enable it first.")
    user.password_hash = None
    _void(session, user)
    record(session, actor, "user.sign_in_reset", subject=user)
    return issue_link(session, user)


def set_disabled(session: Session, actor: User, user: User, disabled: bool) -> None:
    """Shut an account out, or let it in again, by its password or a new link. Labels and history stay."""
    if disabled:
        keep_an_admin(session, user, "disabled")
        _void(session, user)
    elif user.labels_go_since is not None or user.chats_go_since is not None:
        raise Conflict(f"{user.name} is being deleted.")
    user.disabled_at = datetime.now(UTC) if disabled else None
    record(session, actor, "user.disabled" if disabled else "user.enabled", subject=user)


def set_admin(session: Session, actor: User, user: User, is_admin: bool) -> None:
    """Give or take the right to run the installation. API tokens made under it go with it."""
    if not is_admin:
        keep_an_admin(session, user, "taken from the administrators")
        queries.revoke_tokens(session, user.id)
    user.is_admin = is_admin
    record(session, actor, "user.made_admin" if is_admin else "user.admin_removed", subject=user)


def keep_an_admin(session: Session, user: User, what: str) -> None:
    """Locks the administrators' rows, so that two of them cannot remove each other at once."""
    if user.is_admin and not [one for one in queries.lock_admins(session) if one != user.id]:
        raise Conflict(f"{user.name} is the last administrator and cannot be {what}.")
