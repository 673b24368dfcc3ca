"""Keyboards as browsers tell of them: for what a person means, the key's value, its place, and whether Shift is held.

`press_on(page, keyboard, meaning)` sends a trusted key event, as the system would.
"""

from collections.abc import Mapping, Sequence

from playwright.sync_api import Page

Key = tuple[str, str, bool]  # KeyboardEvent.key, .code, .shiftKey

_SHIFT = 8  # of the protocol's modifiers
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"


def _layout(
    letters: Mapping[str, Key] | None = None,
    digits: Sequence[str] = _DIGITS,
    comma: Key = (",", "Comma", False),
    asks: Key = ("?", "Slash", True),
) -> dict[str, Key]:
    found = {letter: (letter, f"Key{letter.upper()}", False) for letter in _LETTERS} | dict(letters or {})
    shifted = {
        letter.upper(): (key.upper() if len(key) == 1 else key, code, True) for letter, (key, code, _) in found.items()
    }
    row = {digit: (sign, f"Digit{digit}", False) for digit, sign in zip(_DIGITS, digits, strict=True)}
    return found | shifted | row | {",": comma, "?": asks}


_RUSSIAN = dict(zip("qwertyuiopasdfghjklzxcvbnm", "йцукенгшщзфывапролдячсмить", strict=True))

KEYBOARDS: dict[str, dict[str, Key]] = {
    "US": _layout(),
    "AZERTY": _layout(
        {
            "a": ("a", "KeyQ", False),
            "q": ("q", "KeyA", False),
            "z": ("z", "KeyW", False),
            "w": ("w", "KeyZ", False),
            "m": ("m", "Semicolon", False),
        },
        digits="à&é\"'(-è_ç",
        comma=(",", "KeyM", False),
        asks=("?", "KeyM", True),
    ),
    "QWERTZ": _layout({"y": ("y", "KeyZ", False), "z": ("z", "KeyY", False)}, asks=("?", "Minus", True)),
    "Cyrillic": _layout(
        {latin: (sign, f"Key{latin.upper()}", False) for latin, sign in _RUSSIAN.items()},
        comma=("б", "Comma", False),
        asks=("?", "Digit7", True),
    ),
    "Japanese, its input method on": _layout(
        {letter: ("Process", f"Key{letter.upper()}", False) for letter in _LETTERS},
        digits=["Process"] * 10,
        comma=("Process", "Comma", False),
        asks=("？", "Slash", True),
    ),
}


def press_on(page: Page, keyboard: str, meaning: str) -> None:
    """Press the key that means this on that keyboard."""
    key, code, shift = KEYBOARDS[keyboard][meaning]
    number = 229 if key == "Process" else ord(meaning.upper())
    about = {"key": key, "code": code, "modifiers": _SHIFT if shift else 0, "windowsVirtualKeyCode": number}
    line = page.context.new_cdp_session(page)
    for kind in ("rawKeyDown", "keyUp"):
        line.send("Input.dispatchKeyEvent", {"type": kind, **about})
    line.detach()
