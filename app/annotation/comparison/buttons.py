"""The buttons of the scale, as the labelling screen shows them."""

from functools import cache
from typing import NamedTuple

from app.annotation.comparison.settings import ComparisonSettings

_STRENGTHS = {
    2: ("slightly better", "much better"),
    3: ("slightly better", "better", "much better"),
    4: ("barely better", "slightly better", "better", "much better"),
}


class Button(NamedTuple):
    """What it sends, its key, what is shown of its keys, and its words, on a scale behind the answer they are of."""

    value: str
    key: str
    keys: str
    of: str
    words: str


def buttons_of(settings: ComparisonSettings) -> tuple[Button, ...]:
    """From the first answer to the second, from much better to much better."""
    return _buttons(settings.levels, settings.tie, settings.both_bad)


@cache
def _buttons(levels: int, tie: bool, both_bad: bool) -> tuple[Button, ...]:
    left, right = [Button("left", "1", "1 ←", "", "Answer 1")], [Button("right", "2", "2 →", "", "Answer 2")]
    if levels:
        words = _STRENGTHS[levels]
        keys = [str(levels + 1 - strength) for strength in range(1, levels + 1)]
        left = [Button(f"left-{n}", key, key, "Answer 1", words[n - 1]) for n, key in enumerate(keys, 1)][::-1]
        keys = [str(levels + strength) for strength in range(1, levels + 1)]
        right = [Button(f"right-{n}", key, key, "Answer 2", words[n - 1]) for n, key in enumerate(keys, 1)]
    neither = [Button("tie", "0", "0", "", "Equal")] if tie else []
    neither += [Button("both_bad", "b", "b", "", "Both bad")] if both_bad else []
    return (*left, *neither, *right)
