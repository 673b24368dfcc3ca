"""What can go wrong with a source: each message is a sentence that begins with a capital letter."""


class SourceError(Exception):
    """No response, and why."""


class Unusable(SourceError):
    """This one answer cannot be used; others may. It becomes a note beside its prompt."""


class Again(SourceError):
    """It may go well next time, after `seconds` where it said so."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


class GivenUp(SourceError):
    """It will not go well until somebody changes something."""
