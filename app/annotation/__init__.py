"""Kinds of items: what is put before a person, how they answer, and who prefers what by it. A kind is a folder here and
a line in `KINDS`; everything else asks the kind and knows none by name."""

from app.annotation.comparison import COMPARISON
from app.annotation.kind import Kind, Stated

KINDS: dict[str, Kind] = {kind.name: kind for kind in (COMPARISON,)}

__all__ = ["COMPARISON", "KINDS", "Kind", "Stated"]
