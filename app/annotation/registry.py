"""Which kinds of items there are. Knows none of them: each is registered, those outside this tree too."""

from app.annotation.kind import Kind
from app.models import kind_settings, values
from app.web.errors import Invalid

KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Have items of this kind, and labels with its value. Raises ValueError where the name is taken."""
    if KINDS.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"There is a kind of items named {kind.name!r} already.")
    values.register(kind.value)
    kind_settings.register(kind.name, kind.settings)
    return kind


def first() -> str:
    """The kind that is meant where none is named."""
    return next(iter(KINDS))


def comparing(count: int) -> Kind:
    """The kind by which so many models are compared, each by one response. Raises Invalid where there is none."""
    kinds = [kind for kind in KINDS.values() if kind.evaluates]
    found = next((kind for kind in kinds if count in kind.responses), None)
    if found is None:
        most = max(kind.responses.stop for kind in kinds) - 1
        raise Invalid(f"Between 2 and {most} models are compared at once, not {count}.", "other_ids")
    return found


def kind_named(name: str) -> Kind:
    """The kind, or Invalid where there is none of this name."""
    if name not in KINDS:
        raise Invalid(f"There is no kind of items named {name[:40]!r}.", "kind")
    return KINDS[name]
