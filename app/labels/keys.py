"""Keys of the labelling screen: what has one, which it is, and those that a person gives to it instead.

An action has its key by the letter or digit that is meant (static/labelling/keyboard.js knows of keyboards). A person's
own keys are kept with their account, and read when the page is made; the page takes them for what they stand for.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.annotation import KINDS
from app.annotation.kind import Action
from app.web.errors import Invalid

REASONS = "adfhtvyz"  # the left hand's, but for those that mean something else
_PLACES = 8  # of the longest scale, and the longest ranking

CHOICES = [
    *(Action(f"choice_{n}", f"Answer {n}, or step {n}", str(n)) for n in range(1, _PLACES + 1)),
    Action("equal", "Equal", "0"),
]
ITEM = [
    Action("skip", "Skip", "s"),
    Action("skip_why", "Skip, and say why", "x"),
    Action("flag", "Flag: ask a manager", "Q"),
    Action("undo", "Undo", "u"),
    Action("comment", "Comment", "c"),
    Action("guidelines", "Guidelines", "g"),
]
READING = [
    Action("raw", "Raw text", "r"),
    Action("differences", "Mark differences", "D"),
    Action("together", "Scroll together", "S"),
    Action("focus", "Focus", "F"),
]


@dataclass(frozen=True)
class Group:
    """Actions under one heading. Those of a `kind` are on the screen with its items alone."""

    title: str
    actions: Sequence[Action]
    kind: str = ""


def groups() -> list[Group]:
    """Everything that has a key of its own choice, as the form shows it."""
    reasons = [Action(f"reason_{n}", f"Reason {n}", key) for n, key in enumerate(REASONS, 1)]
    return [
        Group("Answers", CHOICES),
        *(Group(kind.title, kind.actions, kind.name) for kind in KINDS.values() if kind.actions),
        Group("Reasons", reasons),
        Group("The item", ITEM),
        Group("Reading", READING),
    ]


def actions(*kinds: str) -> Iterator[Action]:
    """The same without headings; with kinds, those that can be on the screen with their items, "" for none."""
    for group in groups():
        if not kinds or group.kind in ("", *kinds):
            yield from group.actions


def read(keys: Mapping[str, str]) -> dict[str, str]:
    """What differs from the usual keys, of keys by action; an empty one takes the key away. Raises Invalid with a
    sentence for each action whose key cannot be one, or is that of another action on the same screen."""
    known = {action.name: action for action in actions()}
    if unknown := sorted(set(keys) - set(known)):
        raise Invalid(f"There is no action named {unknown[0][:40]!r}.", "keys")
    typed = {name: unicodedata.normalize("NFC", text.strip()) for name, text in keys.items()}
    own = {name: key for name, key in typed.items() if key != known[name].key}
    errors = {name: refused for name, key in own.items() if (refused := _refused(key))}
    for kind in KINDS:
        errors = _clashes(actions(kind), own) | errors
    if errors:
        raise Invalid("Please check the marked keys.", errors=errors)
    return own


def _clashes(together: Iterable[Action], own: Mapping[str, str]) -> dict[str, str]:
    errors: dict[str, str] = {}
    holders: dict[str, Action] = {}
    for action in sorted(together, key=lambda each: each.name in own):  # who keeps the usual key is not at fault
        key = own.get(action.name, action.key)
        holder = holders.setdefault(key, action) if key else action
        if holder is not action and action.name in own:
            errors[action.name] = (
                f"{shown(key)} is the key of “{holder.title}”. Choose another, or change that one too."
            )
    return errors


def _refused(key: str) -> str | None:
    if len(key) > 1 or (key and unicodedata.category(key)[0] not in "LNPS"):
        return "Give one key: a letter, a digit or a sign."
    if key and key in "?？":
        return "? opens the list of keys on every page. Choose another."
    return None


def shown(key: str) -> str:
    """As it is written on a hint: a capital letter with the sign of Shift."""
    return f"⇧{key}" if key != key.lower() else key


def meanings(own: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """By kind, "" without an item: the usual key that each of a person's own stands for, and for a usual one that does
    nothing any more an empty text. Empty where nothing was changed; actions that there are no more are left out."""
    return {kind: _meanings(actions(kind), own) for kind in ("", *KINDS)} if own else {}


def _meanings(together: Iterable[Action], own: Mapping[str, str]) -> dict[str, str]:
    changed = [action for action in together if action.name in own]
    left = {action.key: "" for action in changed}
    return left | {own[action.name]: action.key for action in changed if own[action.name]}
