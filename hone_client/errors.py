"""What can go wrong between a program and Hone. Every message is a sentence for people."""

from collections.abc import Mapping
from typing import Any


class HoneError(Exception):
    """Base of all errors of this package."""


class Unreachable(HoneError):
    """No answer came: no server there, a line that broke, or a time limit."""


class RunEnded(HoneError):
    """A run that was waited for failed or was cancelled. `run` is its last state."""

    def __init__(self, message: str, run: Any) -> None:
        super().__init__(message)
        self.run = run


class StillRunning(HoneError):
    """A run did not end in the time that was given. `run` is its last state."""

    def __init__(self, message: str, run: Any) -> None:
        super().__init__(message)
        self.run = run


class Refused(HoneError):
    """Hone refused (RFC 9457): `detail` says why, `errors` has a sentence for each field that is at fault, and
    `request_id` finds the request in the server's log."""

    def __init__(self, status: int, detail: str, errors: Mapping[str, str], request_id: str | None) -> None:
        """The message is `detail` and what the fields say that it does not."""
        fields = [says if name == "body" else f"{name}: {says}" for name, says in errors.items() if says != detail]
        super().__init__(" ".join([detail, *(each for each in fields if each not in detail)]))
        self.status, self.detail, self.errors, self.request_id = status, detail, dict(errors), request_id


class SignInNeeded(Refused):
    """401: no token, or one that is not valid any more."""


class NotAllowed(Refused):
    """403: the token or its person may not do this."""


class NotFound(Refused):
    """404: there is no such thing, or its person has no access to it."""


class Conflict(Refused):
    """409: not in this state of things."""


class Invalid(Refused):
    """422: something that was sent is wrong."""


class TooMany(Refused):
    """429: more than is allowed in a while. `retry_after` is in seconds, where the server says it."""

    retry_after: float | None = None


class Unavailable(Refused):
    """503: for now. `retry_after` is in seconds, where the server says it."""

    retry_after: float | None = None


BY_STATUS: dict[int, type[Refused]] = {
    401: SignInNeeded, 403: NotAllowed, 404: NotFound, 409: Conflict, 422: Invalid, 429: TooMany, 503: Unavailable,
}  # fmt: skip
