"""What a project asks, as tests say it."""

from collections.abc import Mapping
from typing import Any

from app.models.project_settings import LabelSettings

_COMMON = ("questions", "reasons", "comment", "skip_reasons")


def asking(kinds: Mapping[str, Mapping[str, Any]] | None = None, **settings: Any) -> LabelSettings:
    """`asking(levels=4, reasons=["Kinder"])` asks for comparisons with this scale; `kinds` has the settings of others
    by name."""
    common = {name: settings.pop(name) for name in _COMMON if name in settings}
    return LabelSettings(**common, kinds={"comparison": settings, **(kinds or {})})
