"""What responses are paid, as people write it: `reward/model + 0.5*my.rules:polite - 0.01*length - 2*repetition`.

Terms are added or taken away, with spaces around the sign, each with a weight before `*` or without one. A term is

- the folder of a reward model, or several with commas between them, which are one ensemble,
- `module:function`, which gets prompts and responses and returns a number for each (`rlhf.reward_functions`),
- `length`, the response's tokens, or `repetition`, the share of it that repeats itself.

This module reads the words and loads nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rlhf.config import InputError

Kind = Literal["models", "function", "length", "repetition"]

_SIGNS = re.compile(r"\s+([+-])\s+")
_WEIGHT = re.compile(r"([+-]?)\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*\*)?\s*(.+)", re.DOTALL)
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Term:
    """One part of what responses are paid. name: of its metric. sources: folders, or the function."""

    name: str
    weight: float
    kind: Kind
    sources: tuple[str, ...]


def parse_mix(text: str) -> list[Term]:
    """The terms of a mix, each with a name of its own. Raises InputError where there is none to read."""
    if text and Path(text).exists():  # whatever signs its name has
        return [Term(_name((text,)), 1.0, "models", (text,))]
    if not text.strip():
        raise InputError("--reward is empty: name a reward model's folder, or a function as module:function")
    parts = _SIGNS.split(text.strip())
    signed = [("+", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    terms: list[Term] = []
    for sign, part in signed:
        found = _WEIGHT.fullmatch(part.strip())
        if found is None or found[3] in "+-" or found[3].endswith((" +", " -")):
            raise InputError(f"--reward {text!r}: there is a sign without a term")
        own, number, source = found.groups()
        weight = float(number or 1.0) * (-1 if own == "-" else 1) * (-1 if sign == "-" else 1)
        kind, sources = _kind(source)
        name = _name(sources)
        taken = sum(term.name.split("#")[0] == name for term in terms)
        terms.append(Term(f"{name}#{taken + 1}" if taken else name, weight, kind, sources))
    return terms


def _kind(source: str) -> tuple[Kind, tuple[str, ...]]:
    if source == "length":
        return "length", (source,)
    if source == "repetition":
        return "repetition", (source,)
    if _FUNCTION.fullmatch(source) and not Path(source).exists():
        return "function", (source,)
    return "models", tuple(filter(None, (each.strip() for each in source.split(","))))


def _name(sources: tuple[str, ...]) -> str:
    """A short name: of a folder its last part, or the one before a last part `model`."""
    parts = [part for part in Path(sources[0]).parts if part not in ("/", "model")] or [sources[0]]
    return parts[-1]
