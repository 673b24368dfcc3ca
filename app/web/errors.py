"""Refusals that services raise, each with a sentence for the person. Knows no HTTP library and no stage."""

from collections.abc import Mapping


class Refused(Exception):
    """The request cannot be carried out. `field` (or `errors`: field -> sentence) says which input is at fault."""

    status = 400
    title = "That did not work"

    def __init__(self, message: str, field: str | None = None, *, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.errors: dict[str, str] = dict(errors or {})
        if field is not None:
            self.errors[field] = message


class Invalid(Refused):
    """The input breaks a rule."""

    status = 422
    title = "Please check your input"


class SignInNeeded(Refused):
    """Nobody is signed in, or the bearer token is not valid."""

    status = 401
    title = "Please sign in"

    def __init__(self, message: str = "Please sign in to go on.") -> None:
        super().__init__(message)


class NotAllowed(Refused):
    """The person is known and may not do this."""

    status = 403
    title = "You don't have access"


class NotFound(Refused):
    """No such thing, or none that this person may know of."""

    status = 404
    title = "Nothing here"

    def __init__(self, message: str = "This page does not exist, or you have no access to it.") -> None:
        super().__init__(message)


class Conflict(Refused):
    """The state of things has moved on, so that the request no longer fits it."""

    status = 409
    title = "That no longer fits"


class TooLarge(Refused):
    """More was sent than is taken at once."""

    status = 413
    title = "Too large"


class NotUnderstood(Refused):
    """What was sent is of a kind that is not read here."""

    status = 415
    title = "Not understood"


class TooMany(Refused):
    """Asked too often; `retry_after` is in seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, message: str, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Refused):
    """A part of the platform that this needs does not answer."""

    status = 503
    title = "Not available right now"
