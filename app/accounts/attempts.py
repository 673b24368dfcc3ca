"""Every check of a password. Whoever guesses is slowed; whoever owns the account is not.

A browser that has signed in to an account keeps a signed cookie of it, and its wrong passwords count by themselves. All
other browsers' count together, by address and by account, wherever a password is asked for. So nobody can shut a person
out of the browsers they use by guessing, and guesses from many addresses together are slow. Counts are the same for
accounts that do not exist.
"""

import re
import secrets

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.accounts import passwords, queries
from app.accounts.emails import spellings
from app.models import User
from app.settings import get_settings
from app.web import rate_limits
from app.web.errors import Invalid, TooMany
from app.web.signing import digest, is_signed, sign

BROWSER_COOKIE = "hone_browser"
PER_ADDRESS = "60/15 minutes"
PER_PERSON = "10/15 minutes"  # of one account, from one address or from one browser that it knows
UNKNOWN_FREE = "20/day"  # of one account, from unknown browsers everywhere ...
UNKNOWN_THEN = "1/minute"  # ... and so many more: a day of guessing is 1,460 guesses, a wait never more than a minute
_ADVICE = "Or use a browser that you have signed in with before, or ask an administrator for a sign-in link."
_KEPT_DAYS = 400  # the longest that browsers keep a cookie
_NUMBER = re.compile(r"[\w-]{24}", re.ASCII)
_ACCOUNTS = 8  # of one browser


def check(request: Request, session: Session, email: str, password: str) -> User | None:
    """The person with this e-mail and password; None where they do not match or the account is disabled, which
    takes as long. Raises TooMany before anything is compared once there were too many tries."""
    user = queries.user_by_email(session, email)
    known = _known_as(request, user)
    counts = _count(request, digest(spellings(email)[0]), known)
    if not passwords.matches(user.password_hash if user else None, password) or user is None or user.disabled_at:
        return None
    for limit, who in counts:
        rate_limits.forget(limit, *who)
    if user.password_hash and passwords.is_outdated(user.password_hash):
        user.password_hash = passwords.hash_password(password)
    return user


def require_current(request: Request, session: Session, user: User, password: str) -> None:
    """Raise Invalid unless this is the person's password, where they have one."""
    if user.password_hash and check(request, session, user.email, password) is None:
        raise Invalid("This is not your current password.", "current")


def _count(request: Request, account: str, known: str | None) -> list[tuple[str, tuple[str, ...]]]:
    """Count a try; the counts that a right password starts anew."""
    if known is not None:
        by_browser = ("password in", known, account)
        rate_limits.hit(PER_PERSON, *by_browser)
        return [(PER_PERSON, by_browser)]
    where = rate_limits.address(request)
    by_address, everywhere = ("password from", where, account), ("password of", account)
    rate_limits.hit(PER_ADDRESS, "password from", where)
    rate_limits.hit(PER_PERSON, *by_address)
    try:
        rate_limits.hit(UNKNOWN_FREE, *everywhere)
    except TooMany:
        _hit_or_advise(UNKNOWN_THEN, *everywhere)
    return [(PER_PERSON, by_address), (UNKNOWN_FREE, everywhere), (UNKNOWN_THEN, everywhere)]


def _hit_or_advise(limit: str, *who: str) -> None:
    try:
        rate_limits.hit(limit, *who)
    except TooMany as refusal:
        raise TooMany(f"{refusal.message} {_ADVICE}", refusal.retry_after) from None


def _known_as(request: Request, user: User | None) -> str | None:
    """This browser's own number, where it has signed in as `user` before."""
    number, *signatures = request.cookies.get(BROWSER_COOKIE, "").split(".")[: _ACCOUNTS + 1]
    if user is None or not any(is_signed("browser", f"{number} {user.id}", one) for one in signatures):
        return None
    return number


def remember_browser(request: Request, response: Response, user: User) -> None:
    """Have this browser known as one of the user's from now on."""
    number, *signatures = request.cookies.get(BROWSER_COOKIE, "").split(".")
    if not _NUMBER.fullmatch(number):
        number, signatures = secrets.token_urlsafe(18), []
    mine = sign("browser", f"{number} {user.id}")
    others = [one for one in signatures if one != mine][: _ACCOUNTS - 1]
    response.set_cookie(
        BROWSER_COOKIE,
        ".".join([number, mine, *others]),
        max_age=_KEPT_DAYS * 86400,
        httponly=True,
        samesite="lax",
        secure=get_settings().secure_cookies,
    )
