"""Kinds of items: what is put before a person, how it is labelled, and who prefers what by it. A kind is a folder here
and a line below; everything else asks the registry and knows none by name."""

from app.annotation.comparison import COMPARISON
from app.annotation.demonstration import DEMONSTRATION
from app.annotation.kind import Kind, RawLabel, Stated
from app.annotation.ranking import RANKING
from app.annotation.registry import KINDS, comparing, first, kind_named, register

for _kind in (COMPARISON, RANKING, DEMONSTRATION):
    register(_kind)

__all__ = ["KINDS", "Kind", "RawLabel", "Stated", "comparing", "first", "kind_named", "register"]
