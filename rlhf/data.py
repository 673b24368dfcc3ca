"""Reads preference pairs and prompts, and accounts for every row it cannot use. What a file is, `formats` knows.

Its own rows of pairs (other columns are kept in `PreferencePair.extra`):

- `prompt`, `chosen`, `rejected`: each plain text or a list of messages; the responses may repeat the prompt;
- `chosen`, `rejected` as whole conversations (messages or HH transcripts) that differ in their last turn;
- `prompt`, `response_a`, `response_b`, `preference`: judged pairs.

`preference` is the probability that the first response is better (1 where it is absent, 0.5 a tie), except in files of
judged pairs in which it goes beyond 1: those are on AlpacaEval's scale, 1 the first, 2 the second, 0 or 1.5 a tie.
`margin` and `weight` are optional numbers. Every other layout that `formats` knows is read through
`rlhf.layouts`. This module knows no tokenizer.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import formats
from rlhf.config import InputError
from rlhf.layouts import HONE, messages_of, of_each_pair, pairs_layout, pairs_of, prompts_layout, values_of
from rlhf.transcripts import (
    BadRow,
    is_transcript,
    last_response,
    read_messages,
    read_prompt,
    read_transcript,
    split_responses,
)
from rlhf.types import Demonstration, Messages, PreferencePair, Prompt

PAIR_COLUMNS = frozenset({"prompt", "chosen", "rejected", "response_a", "response_b", "preference", "margin", "weight"})
NAMED_LINES = 5  # how many bad lines a message names


@dataclass(slots=True)
class DataReport:
    """What became of the rows of one file."""

    path: str
    rows: int = 0
    used: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)  # line (from 1) and kind

    @property
    def bad_share(self) -> float:
        return len(self.bad) / self.rows if self.rows else 0.0

    @property
    def bad_by_kind(self) -> dict[str, int]:
        return dict(Counter(kind for _, kind in self.bad).most_common())

    def __str__(self) -> str:
        if not self.bad:
            return f"{self.path}: {self.used} rows"
        named = "; ".join(f"line {line}: {kind}" for line, kind in self.bad[:NAMED_LINES])
        more = len(self.bad) - NAMED_LINES
        return f"{self.path}: {len(self.bad)} of {self.rows} rows cannot be used ({named}" + (
            f"; and {more} more)" if more > 0 else ")"
        )


def load_pairs(path: str | Path, *, max_bad_share: float = 0.05) -> tuple[list[PreferencePair], DataReport]:
    """The usable pairs of a file in its order, and the report on all of its rows.

    Raises InputError where the file cannot be read, holds no usable pair, or more than `max_bad_share` of its rows
    cannot be used.
    """
    found, report = _read(path)
    pairs: list[PreferencePair] = []
    if (layout := pairs_layout(found)) is not None:
        for foreign in found:
            try:
                pairs.extend(pairs_of(layout, foreign))
            except BadRow as error:
                report.bad.append((foreign.line, error.kind))
        report = judged(report, len({pair.line for pair in pairs}), max_bad_share)
        return of_each_pair(pairs) if layout.name == HONE else pairs, report
    rows = [(row.line, values_of(row)) for row in found]
    beyond_one = any(_number_or_none(row.get("preference"), 0.0) > 1 for _, row in rows if "response_a" in row)
    for line, row in rows:
        try:
            pairs.append(_read_pair(row, line, alpaca_scale=beyond_one))
        except BadRow as error:
            report.bad.append((line, error.kind))
    return pairs, judged(report, len(pairs), max_bad_share)


def load_prompts(path: str | Path, *, max_bad_share: float = 0.05) -> tuple[list[Prompt], DataReport]:
    """The prompts of a file with the same report: `prompt` or `messages`, or the first of `turns`; or, where its
    rows have none of these, what `formats` reads as prompts."""
    found, report = _read(path)
    layout = prompts_layout(found)
    prompts: list[Prompt] = []
    for line, given in ((row.line, row) for row in found):
        row = values_of(given)
        try:
            messages = read_prompt(_prompt_value(row)) if layout is None else messages_of(layout, given)
            prompts.append(Prompt(messages=messages, line=line, row=row))
        except BadRow as error:
            report.bad.append((line, error.kind))
    return prompts, judged(report, len(prompts), max_bad_share)


Row = TypeVar("Row", PreferencePair, Prompt, Demonstration)


def split_by_prompt(rows: Sequence[Row], share: float, seed: int = 0, *, least: int = 1) -> tuple[list[Row], list[Row]]:
    """Rows to train on and holdout rows, no prompt in both; about `share` of the prompts are held out, `least` or more.

    Which prompts are held out depends on their text and the seed alone, not on order or on anything else in the rows.
    One prompt at least stays to train on; with a share of 0 all do.
    """
    keys = [prompt_key(row.prompt, seed) for row in rows]
    prompts = sorted(set(keys))
    if share <= 0 or len(prompts) < 2:
        return list(rows), []
    held_out = set(prompts[: min(max(least, round(share * len(prompts))), len(prompts) - 1)])
    train = [row for row, key in zip(rows, keys, strict=True) if key not in held_out]
    return train, [row for row, key in zip(rows, keys, strict=True) if key in held_out]


NO_HOLDOUT = "holdout: none, so that nothing will tell how good the model is; give rows with other prompts"

HELD_OUT = ("holdout", "test", "validation", "valid", "val", "dev", "eval")


def split_as_said(rows: Sequence[PreferencePair]) -> tuple[list[PreferencePair], list[PreferencePair]] | None:
    """Rows to train on and holdout rows, as their column `split` says it; None where it holds none of them out, or
    leaves none to train on."""
    held_out = [row for row in rows if row.extra.get("split") in HELD_OUT]
    train = [row for row in rows if row.extra.get("split") not in HELD_OUT]
    return (train, held_out) if train and held_out else None


def choosing_half(keys: Iterable[str]) -> set[str]:
    """The half of the holdout prompts, by their keys, that chooses; the other half reports on what was chosen."""
    distinct = sorted(set(keys))
    return set(distinct[: len(distinct) // 2])


def prompt_key(messages: Messages, seed: int) -> str:
    """A name for a prompt that depends on its text and the seed alone."""
    text = json.dumps([seed, messages], ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _prompt_value(row: Mapping[str, Any]) -> Any:
    for name in ("prompt", "messages"):
        if row.get(name) is not None:
            return row[name]
    turns = row.get("turns")
    if isinstance(turns, list) and turns:
        return turns[0]
    raise BadRow("missing field prompt")


def _read_pair(row: Mapping[str, Any], line: int, *, alpaca_scale: bool) -> PreferencePair:
    if "response_a" in row or "response_b" in row:
        prompt, chosen, rejected = _read_judged(row)
        preference = _number(row, "preference", None)
        if alpaca_scale:
            preference = {0.0: 0.5, 1.0: 1.0, 1.5: 0.5, 2.0: 0.0}.get(preference, math.nan)
    else:
        prompt, chosen, rejected = _read_chosen(row)
        preference = _number(row, "preference", 1.0)
    if not chosen.strip() or not rejected.strip():
        raise BadRow("empty response")
    if chosen.strip() == rejected.strip():
        raise BadRow("two equal responses")
    if not 0.0 <= preference <= 1.0:
        raise BadRow("preference outside 0..1")
    weight = _number(row, "weight", 1.0)
    if weight < 0:
        raise BadRow("negative weight")
    return PreferencePair(
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        preference=preference,
        margin=_number(row, "margin", 0.0),
        weight=weight,
        line=line,
        extra={name: value for name, value in row.items() if name not in PAIR_COLUMNS},
    )


def _read_judged(row: Mapping[str, Any]) -> tuple[Messages, str, str]:
    for name in ("prompt", "response_a", "response_b", "preference"):
        if row.get(name) is None:
            raise BadRow(f"missing field {name}")
    prompt = read_prompt(row["prompt"])
    return prompt, _read_response(row, "response_a", prompt), _read_response(row, "response_b", prompt)


def _read_chosen(row: Mapping[str, Any]) -> tuple[Messages, str, str]:
    if "chosen" not in row and "rejected" not in row:
        raise BadRow(f"unknown columns {', '.join(sorted(row)[:6]) or '(none)'}")
    for name in ("chosen", "rejected"):
        if row.get(name) is None:
            raise BadRow(f"missing field {name}")
    if row.get("prompt") is not None:
        prompt = read_prompt(row["prompt"])
        return prompt, _read_response(row, "chosen", prompt), _read_response(row, "rejected", prompt)
    chosen, rejected = row["chosen"], row["rejected"]
    if isinstance(chosen, str) and isinstance(rejected, str):
        if not is_transcript(chosen) or not is_transcript(rejected):
            raise BadRow("missing field prompt")
        conversations = read_transcript(chosen), read_transcript(rejected)
    else:
        conversations = read_messages(chosen, "chosen"), read_messages(rejected, "rejected")
    shared, first, second = split_responses(*conversations)
    return read_prompt(shared), first, second


def _read_response(row: Mapping[str, Any], name: str, prompt: Messages) -> str:
    value = row[name]
    if isinstance(value, str):
        return value
    messages = read_messages(value, name)
    if messages[: len(prompt)] == prompt:  # the response repeats the prompt, as UltraFeedback's does
        messages = messages[len(prompt) :]
    return last_response(messages, name)


def _number(row: Mapping[str, Any], name: str, default: float | None) -> float:
    value = _number_or_none(row.get(name), math.nan if default is None else default)
    if not math.isfinite(value):
        raise BadRow(f"{name} is not a number")
    return value


def _number_or_none(value: Any, default: float) -> float:
    if value is None:
        return default
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


def judged(report: DataReport, used: int, max_bad_share: float) -> DataReport:
    """The report, complete. Raises InputError where too few of the rows can be used."""
    report.used = used
    report.bad.sort()
    if not report.rows:
        raise InputError(f"{report.path} is empty")
    if not used:
        raise InputError(f"no row can be used; {report}")
    if report.bad_share > max_bad_share:
        raise InputError(f"{report}; that is more than the share of {max_bad_share:g} that max_bad_share allows")
    return report


def read_rows(path: str | Path) -> tuple[list[tuple[int, dict[str, Any]]], DataReport]:
    """The objects of a file with their lines, and a report that names the lines that hold none."""
    rows, report = _read(path)
    return [(row.line, values_of(row)) for row in rows], report


def _read(path: str | Path) -> tuple[list[formats.Row], DataReport]:
    report = DataReport(path=str(path))
    rows: list[formats.Row] = []
    if not str(path).startswith(formats.HUB) and not Path(path).exists():
        raise InputError(f"there is no file {path}")
    try:
        opened = formats.open_rows(path)
        if opened.container.kind in ("lines", "blocks"):
            raise InputError(f"cannot read {path}: it is plain text, without the names of columns")
        for row in opened.rows():
            report.rows += 1
            if isinstance(row, formats.Row):
                rows.append(row)
            elif row.rest:  # a part of the data is no data to train on
                raise InputError(f"cannot read {path} from line {row.line} on: {row.reason}")
            else:
                broken = row.reason.startswith("This is not valid JSON")
                report.bad.append((row.line, "broken JSON" if broken else row.reason))
    except formats.Unreadable as error:
        raise InputError(f"cannot read {path}: {error}") from None
    return rows, report
