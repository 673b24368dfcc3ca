"""A column map, for files of no known layout: which column is the prompt, which the responses, which the choice."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from formats.layouts import LAYOUTS, detect
from formats.layouts.base import Layout
from formats.records import Row, Unreadable
from formats.strict_json import shown

# What a column can be, with names that it often has.
TARGETS: dict[str, str] = {
    "prompt": "prompt prompts question query instruction request user_input user context text task input",
    "system": "system system_prompt system_message",
    "messages": "messages conversation conversations dialog dialogue chat",
    "chosen": "chosen preferred accepted better winner_response good best positive response_chosen chosen_response",
    "rejected": "rejected dispreferred worse loser_response bad worst negative response_rejected rejected_response",
    "response_a": "response_a answer_a output_a completion_a response_1 answer_1 output_1 a model_a_response first",
    "response_b": "response_b answer_b output_b completion_b response_2 answer_2 output_2 b model_b_response second",
    "preference": "preference probability preference_a",
    "choice": "choice winner verdict label decision preferred_response",
    "model_a": "model_a author_a generator_1 model_1",
    "model_b": "model_b author_b generator_2 model_2",
    "annotator": "annotator rater worker user_id annotator_id labeler labeller judge",
    "rationale": "rationale reason explanation comment justification",
    "response": "response answer completion output reply assistant generation target ideal",
}
_GENERIC = ("judged", "choice", "trl", "trl-implicit", "pairs", "prompt-response", "chat", "prompts")


def guess(columns: Sequence[str], rows: Sequence[Row]) -> dict[str, str]:
    """A proposal, target to column, to be shown and changed. Columns that are empty in all the rows are left out."""
    filled = [name for name in columns if any(row.values.get(name) not in (None, "", []) for row in rows)]
    plain = {re.sub(r"\W+", "_", name.strip().lower()).strip("_"): name for name in reversed(filled)}
    found: dict[str, str] = {}
    for target, names in TARGETS.items():
        column = next((plain[name] for name in names.split() if name in plain), None)
        if column is not None and column not in found.values():
            found[target] = column
    if {"chosen", "rejected"} <= found.keys() or {"response_a", "response_b"} <= found.keys():
        found.pop("response", None)
    if "chosen" not in found or "rejected" not in found:
        found = {target: column for target, column in found.items() if target not in ("chosen", "rejected")}
    if "response_a" not in found or "response_b" not in found:
        found = {t: c for t, c in found.items() if t not in ("response_a", "response_b", "choice", "preference")}
    if "prompt" not in found and "messages" not in found and (longest := _first_text(filled, rows, found)):
        found["prompt"] = longest
    return found


def responses_beside(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The columns of files of prompts that may well be two responses to compare: by their names, and texts in most
    rows."""
    found = guess(columns, rows)
    for two in (("chosen", "rejected"), ("response_a", "response_b")):
        named = [found[target] for target in two if target in found]
        if named and all(2 * sum(_is_text(row.values.get(name)) for row in rows) > len(rows) for name in named):
            return named
    return []


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not re.fullmatch(r"[\s\d.,+-]*", value)


def with_map(row: Row, mapping: Mapping[str, str]) -> Row:
    """The row with the mapped columns under their targets; a column whose name they take stays as `name (file)`."""
    taken = set(mapping.values())
    left = {name: value for name, value in row.values.items() if name not in taken}
    rest = {(f"{name} (file)" if name in mapping else name): value for name, value in left.items()}
    mapped = {target: row.values.get(column) for target, column in mapping.items()}
    return Row(row.line, {**rest, **mapped}, row.raw, row.tabular)


def plainly(row: Row) -> Row:
    """The row with its columns' names in small letters and `_` for spaces, as spreadsheets seldom have them."""
    values = {_plain(name, row): value for name, value in row.values.items()}
    return Row(row.line, values, row.raw, row.tabular) if len(values) == len(row.values) else row


def with_own_names(metadata: dict[str, Any], row: Row) -> None:
    """Give what is left of a row that was read `plainly` the names that the file has for it."""
    for name in row.values:
        if (plain := _plain(name, row)) != name and plain in metadata:
            metadata[name] = metadata.pop(plain)


def _plain(name: str, row: Row) -> str:
    plain = re.sub(r"\s+", "_", name.strip().lower())
    return name if plain in row.values else plain


def layout_of(mapping: Mapping[str, str], rows: Sequence[Row]) -> Layout:
    """The layout that the mapped columns make. Raises Unreadable where a name is wrong or they make none."""
    for target in mapping:
        if target not in TARGETS:
            raise Unreadable(f"A column cannot be mapped to {target!r}. It can be: {', '.join(TARGETS)}.")
    columns = sorted({name for row in rows for name in row.values})
    for column in mapping.values():
        if column not in columns:
            shown_columns = ", ".join(shown(name) for name in columns[:20])
            raise Unreadable(f"There is no column {shown(column)!r} to map. There are: {shown_columns}.")
    # Only what was mapped decides; other columns are metadata whatever their names are.
    only = [Row(row.line, {t: row.values.get(c) for t, c in mapping.items()}, None, row.tabular) for row in rows]
    match = detect(only, {name: LAYOUTS[name] for name in _GENERIC})
    if match is None:
        raise Unreadable(
            "These columns make no prompts, pairs or labels. Map a prompt, and with it chosen and rejected, or "
            "response_a and response_b, or a response."
        )
    return match.layout


def _first_text(columns: Sequence[str], rows: Sequence[Row], found: Mapping[str, str]) -> str | None:
    for column in columns:
        texts = [value for row in rows if isinstance(value := row.values.get(column), str)]
        if column not in found.values() and texts and sum(map(_is_prose, texts)) * 2 >= len(rows):
            return column
    return None


def _is_prose(text: Any) -> bool:
    return len(text) >= 8 and " " in text.strip()
