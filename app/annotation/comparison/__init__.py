"""Two responses: which is better, and by how much."""

from app.annotation.comparison.kind import COMPARISON
from app.annotation.comparison.value import ComparisonValue

__all__ = ["COMPARISON", "ComparisonValue"]
