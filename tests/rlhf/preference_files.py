"""Preference data with a rule that a tiny model can learn: the better response says "please", the worse "never"."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WORDS = ("the", "cat", "dog", "runs", "fast", "slow", "blue", "red", "green", "tree", "house", "fine", "well", "very")


def text(random_: random.Random, words: int) -> str:
    return " ".join(random_.choice(WORDS) for _ in range(words))


def pair_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """`count` rows, responses of 3 to 15 words, every tenth a tie, every seventh labelled from the other side."""
    source = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        good = text(source, source.randint(3, 15)) + " please"
        bad = text(source, source.randint(3, 15)) + " never"
        row: dict[str, Any] = {"prompt": f"{text(source, source.randint(1, 20))} {number}"}
        if number % 7 == 3:
            row |= {"chosen": bad, "rejected": good, "preference": 0.0}
        else:
            row |= {"chosen": good, "rejected": bad, "preference": 0.5 if number % 10 == 0 else 1.0}
        rows.append(row)
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
