"""What an automation of a project decides. The rules are those of the stages; the overview shows them."""

from dataclasses import dataclass
from datetime import timedelta

BUDGET_PERIOD = timedelta(hours=24)
OFF = "Switched off."


@dataclass(frozen=True)
class Decision:
    """How much an automation does now (0: nothing), and in a sentence why that much or what it waits for."""

    amount: int
    reason: str
