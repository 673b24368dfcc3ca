"""No response, or one: a person writes the ideal one, or improves the one that is shown."""

from app.annotation.demonstration.kind import DEMONSTRATION
from app.annotation.demonstration.value import DemonstrationValue

__all__ = ["DEMONSTRATION", "DemonstrationValue"]
