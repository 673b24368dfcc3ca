"""What a deletion would do, said before it is done."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outlook:
    """How much of what would go and stay, by words in the plural, and why it cannot be done now."""

    goes: dict[str, int]
    stays: dict[str, int]
    blocked: str | None = None
