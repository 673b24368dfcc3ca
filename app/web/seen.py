"""Forms that change what is there already, opened twice: the second to be sent is told what changed meanwhile, keeps
what was typed, and may be sent once more knowingly.

The form carries what its values were, each as a few characters of its digest. Knows no form.
"""

from collections.abc import Mapping
from hashlib import sha256
from json import dumps, loads
from typing import Any

from markupsafe import Markup
from starlette.datastructures import FormData

from app.web.errors import Invalid

FIELD = "seen_values"
LONGEST_SHOWN = 100  # characters of a value in the sentence
_OPENED = "This was changed since you opened the page"
_AGAIN = "Nothing was saved yet. Save again to put yours in its place."


class ChangedMeanwhile(Invalid):
    """Somebody else, or the same person in another tab, changed it since the page was opened."""

    status = 409
    title = "Changed meanwhile"


def field(values: Mapping[str, Any]) -> Markup:
    """The hidden field of a form that is drawn from these values."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, dumps(_marks(values)))


def require(form: FormData, values: Mapping[str, Any], titles: Mapping[str, str] | None = None) -> None:
    """Raise ChangedMeanwhile where the values are others by now than when the form was drawn. `titles`: what their
    fields are called on the page. A form without the field is taken as it is."""
    try:
        seen = loads(str(form.get(FIELD) or "null"))
    except (ValueError, RecursionError):
        seen = None
    if not isinstance(seen, dict):
        return
    changed = [name for name, mark in _marks(values).items() if seen.get(name, mark) != mark]
    if changed:
        called = {name: name.replace("_", " ").capitalize() for name in changed} | dict(titles or {})
        now = "; ".join(_said(called[name], values[name]) for name in changed)
        raise ChangedMeanwhile(f"{_OPENED}: {now}. {_AGAIN}", changed[0])


def _said(title: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{title} is {'on' if value else 'off'} now"
    if isinstance(value, str) and 0 < len(value) <= LONGEST_SHOWN:
        return f"{title} is “{value}” now"
    if isinstance(value, int | float):
        return f"{title} is {value} now"
    return f"{title} has changed"


def _marks(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _mark(value) for name, value in values.items()}


def _mark(value: Any) -> str:
    return sha256(dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]
