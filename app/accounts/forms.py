"""What a client may send about accounts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from app.accounts import emails
from app.accounts.scopes import Scope
from app.input import Input
from app.web.names import Name

Email = Annotated[str, AfterValidator(emails.clean)]
Password = Annotated[str, Field(max_length=1000, repr=False)]


class SignInForm(Input):
    """E-mail and password; `next` is the page to go on to."""

    email: str
    password: Password
    next: str = "/"


class NewAccountForm(Input):
    """What an invited person without an account gives."""

    name: Name
    email: Email
    password: Password


class ProfileForm(Input):
    """What others see, and what to sign in with. Only what changes has to meet today's rules (`service`)."""

    name: str = ""
    email: str = ""


class PasswordForm(Input):
    """A new password; the current one where there is one."""

    current: Password = ""
    new: Password


class NewToken(Input):
    """A new API token, through the API."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1)]
    days: int | None = Field(90, ge=1, le=365, description="How long it lasts; null: until it is revoked")


class NewTokenForm(Input):
    """A new API token. `expires` is in days."""

    token_name: Name
    scopes: Annotated[list[Scope], Field(min_length=1)]
    expires: Literal["7", "30", "90", "365", "never"]

    @property
    def days(self) -> int | None:
        """How long it lasts; None: until it is revoked."""
        return None if self.expires == "never" else int(self.expires)
