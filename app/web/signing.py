"""Signatures over short texts with the installation's secret key, one purpose apart from the other."""

import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256

from app.settings import get_settings


@lru_cache(maxsize=32)
def _key(secret: str, purpose: str) -> bytes:
    return hmac.digest(secret.encode(), purpose.encode(), "sha256")


def sign(purpose: str, text: str) -> str:
    """A URL-safe signature of `text`, of no use for another purpose."""
    key = _key(_secret(), purpose)
    return urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")).rstrip(b"=").decode()


def is_signed(purpose: str, text: str, signature: str) -> bool:
    """Whether `signature` is that of `text`, compared in constant time."""
    return hmac.compare_digest(sign(purpose, text).encode(), signature.encode())


def digest(token: str) -> str:
    """What is stored of a random token: SHA-256, hexadecimal. Fine without salt, the token being random."""
    return sha256(token.encode()).hexdigest()


@lru_cache(maxsize=1)
def _secret() -> str:
    return get_settings().signing_key()
