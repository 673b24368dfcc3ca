"""What a client may send about accounts."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from app.accounts.scopes import Scope
from app.web.input import Input

_EMAIL = re.compile(r"[^@\s<>\"'\x00-\x1f]+@[^@\s<>\"'\x00-\x1f]+\.[^@\s<>\"'\x00-\x1f.]+")


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError("Please give an e-mail address, such as ada@example.org.")
    return value


def _line(value: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError("This may not contain line breaks or control characters.")
    return value


ONE_LINE = AfterValidator(_line)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), ONE_LINE]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), AfterValidator(_email)]
Password = Annotated[str, Field(max_length=1000, repr=False)]


class SignInForm(Input):
    """E-mail and password; `next` is the page to go on to."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, max_length=254)]
    password: Password
    next: str = "/"


class NewAccountForm(Input):
    """What an invited person without an account gives."""

    name: Name
    email: Email
    password: Password


class ProfileForm(Input):
    """What others see, and what to sign in with."""

    name: Name
    email: Email


class PasswordForm(Input):
    """A new password; the current one where there is one."""

    current: Password = ""
    new: Password


class NewTokenForm(Input):
    """A new API token. `expires` is in days."""

    token_name: Name
    scopes: Annotated[list[Scope], Field(min_length=1)]
    expires: Literal["7", "30", "90", "365", "never"]

    @property
    def days(self) -> int | None:
        """How long it lasts; None without an end."""
        return None if self.expires == "never" else int(self.expires)
