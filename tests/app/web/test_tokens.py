"""The colours of static/tokens.css can be told apart, in both themes and in every state of a control."""

import re

import pytest

from app.resources import STATIC

TEXT = {
    "paper surface sunken raised hover": "ink ink-soft",
    "paper surface raised": "accent accent-strong ok warn bad info",
    "sunken": "ink-off",  # what is switched off
    "surface raised hover": "ink-off accent-strong",  # a quiet button that is, and a link under the mouse
    "accent-soft": "ink ink-soft accent accent-strong",
    "ok-soft": "ink ok",
    "warn-soft": "ink warn",
    "bad-soft": "ink bad",
    "info-soft": "ink info",
    "accent accent-strong": "on-accent",
}
CONTROLS = {"paper surface raised": "line-strong accent", "hover": "line-strong"}


def _colours(theme: int) -> dict[str, str]:
    sheet = (STATIC / "tokens.css").read_text()
    found = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", sheet)
    return {name: each[theme] for name, *each in found}


def _luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (CONTROLS, 3.0)], ids=["text", "controls"])
def test_text_can_be_read_and_controls_seen(theme: int, pairs: dict[str, str], least: float) -> None:
    colours = _colours(theme)
    assert len(colours) >= 22
    weak = {
        f"{front} on {back}": round(contrast(colours[front], colours[back]), 2)
        for backs, fronts in pairs.items()
        for back in backs.split()
        for front in fronts.split()
        if contrast(colours[front], colours[back]) < least
    }
    assert weak == {}


def test_every_colour_that_a_sheet_names_is_there() -> None:
    """What a sheet gives another value for, in case it is missing, is set by a script."""
    defined = set(re.findall(r"(--[a-z0-9-]+):", "".join(each.read_text() for each in STATIC.glob("*.css"))))
    sheets = {each.name: each.read_text() for each in STATIC.glob("*.css")}
    used = {(sheet, name) for sheet, text in sheets.items() for name in re.findall(r"var\((--[a-z0-9-]+)\)", text)}
    assert {(sheet, name) for sheet, name in used if name not in defined} == set()
