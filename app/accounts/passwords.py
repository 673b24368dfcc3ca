"""Passwords, hashed with Argon2id under the library's current parameters."""

from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.web.errors import Invalid

SHORTEST, LONGEST = 10, 200
_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """The hash to store, with its salt and parameters."""
    return _hasher.hash(password)


def matches(stored: str | None, password: str) -> bool:
    """Whether `password` is the one hashed. Takes as long where nothing is stored, and is then false."""
    try:
        return _hasher.verify(stored or _decoy(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with parameters that are no longer the library's."""
    return _hasher.check_needs_rehash(stored)


def check_strength(password: str, email: str, field: str = "password") -> None:
    """Refuse what is guessed first. Length is what counts; no rule asks for digits or signs."""
    if len(password) < SHORTEST:
        raise Invalid(f"Please use at least {SHORTEST} characters. A few words in a row do well.", field)
    if len(password) > LONGEST:
        raise Invalid(f"Please use at most {LONGEST} characters.", field)
    if len(set(password)) < 4 or password.lower() in (email.lower(), email.lower().partition("@")[0]):
        raise Invalid("This is too easy to guess.", field)


@lru_cache(maxsize=1)
def _decoy() -> str:
    return _hasher.hash("nobody's password")
