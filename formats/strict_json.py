"""JSON that can be stored: no field twice, no endless number, no broken Unicode, no bottomless nesting.

`NaN` and `Infinity`, which are no JSON, but which Python writes for missing numbers, are read as null.
"""

import ast
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from formats.records import BadRow

MAX_DEPTH = 200
_SUSPECT = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BadRow(f'It has the field "{shown(twice)}" twice.')
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise BadRow(f"The number {digits[:40]} is too large.")
    return number


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=lambda _: None)


def parse(text: str) -> Any:
    """The value of a JSON text. Raises BadRow."""
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise why(error) from None
    check(value, text)
    return value


def in_cell(text: str) -> Any:
    """The value of a table's cell that holds JSON, or a list or object as Python writes it; the text itself where it is
    neither. Raises BadRow where it cannot be stored."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        value = DECODER.decode(text)
    except BadRow:
        raise
    except (ValueError, RecursionError):
        try:
            # Not all that Python writes is JSON: tuples become lists, and sets or bytes stay text.
            value = json.loads(json.dumps(ast.literal_eval(text), allow_nan=False))
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return text
    if _depth(value) > MAX_DEPTH:
        raise BadRow("It is nested too deeply.")
    storable(value)
    return value


def why(error: Exception) -> BadRow:
    """What the decoder's error says to a person."""
    if isinstance(error, BadRow):
        return error
    if isinstance(error, json.JSONDecodeError):
        return BadRow(f"This is not valid JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}.")
    if isinstance(error, RecursionError):
        return BadRow("It is nested too deeply.")
    return BadRow("It has a number with too many digits.")  # Python refuses to convert them


def check(value: Any, text: str) -> None:
    """Raises BadRow where the value, whose JSON is `text`, cannot be stored."""
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise BadRow("It is nested too deeply.")
    if _SUSPECT.search(text) or not text.isascii():
        storable(value)


def storable(value: Any) -> None:
    """Raises BadRow where some text in the value is broken Unicode or has a null character."""
    for text in _texts(value):
        if "\0" in text:
            raise BadRow("It contains a null character.")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise BadRow("It contains broken Unicode (half of a surrogate pair).") from None


def shown(text: str, length: int = 60) -> str:
    """The text, short enough and fit for a sentence."""
    return "".join(c if c.isprintable() else " " for c in text[:length]) + ("..." if len(text) > length else "")


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value.keys()
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict | list):
            deepest = max(deepest, depth)
            waiting.extend((inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value))
    return deepest
