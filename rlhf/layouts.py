"""Pairs and prompts out of the layouts that `formats` knows, beside those that the library reads itself.

A judgement of two responses gives one pair; a ranking of K gives K(K-1)/2, each with the weight 1/(K-1), so that every
response counts as often as in one pair. Only the main question teaches. "Both bad" says nothing of which is better, and
of Hone's own export some labels are none to learn from, such as attention checks: these give no pair. It knows no file.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import formats
from formats.fields import Fields
from formats.messages import in_cell
from rlhf.transcripts import BadRow
from rlhf.types import Messages, PreferencePair

HONE = "hone-labels"
OWN = ("trl", "trl-implicit", "ultrafeedback-binarized", "judged")
_SAMPLE = 50
_PREFERENCE = {"first": 1.0, "second": 0.0, "tie": 0.5}


def values_of(row: formats.Row) -> dict[str, Any]:
    """The row's fields; of a table, those that hold something, messages out of their JSON."""
    if not row.tabular:
        return dict(row.values)
    return {name: in_cell(value) for name, value in row.values.items() if value is not None}


def pairs_layout(rows: Sequence[formats.Row]) -> formats.Layout | None:
    """The layout of pairs that is not the library's own; None where it is, or there is none."""
    match = formats.detect(rows[:_SAMPLE])
    return match.layout if match and match.layout.gives == "labels" and match.layout.name not in OWN else None


def prompts_layout(rows: Sequence[formats.Row]) -> formats.Layout | None:
    """The layout of rows most of which have none of the library's own fields of prompts."""
    sample = rows[:_SAMPLE]
    own = sum(any(row.values.get(name) is not None for name in ("prompt", "messages", "turns")) for row in sample)
    match = None if 2 * own >= len(sample) else formats.detect(sample)
    return match.layout if match else None


def pairs_of(layout: formats.Layout, row: formats.Row) -> list[PreferencePair]:
    """The pairs of a row. Raises BadRow where there is none to be had."""
    pairs: list[PreferencePair] = []
    compared = [record for record in _records(layout, row) if isinstance(record, formats.ComparisonRecord)]
    judged = [(record, judgement) for record in compared for judgement in record.judgements if not judgement.question]
    if not judged and layout.name != HONE:
        raise BadRow("it does not say which response is better")
    for record, judgement in judged:
        if judgement.outcome == "both_bad" or record.metadata.get("usable", True) is not True:
            continue
        places = list(combinations(range(len(record.responses)), 2))
        for one, two in places:
            first, second = record.responses[one].text, record.responses[two].text
            if first.strip() == second.strip():
                if len(places) == 1:
                    raise BadRow("two equal responses")
                continue
            pairs.append(
                PreferencePair(
                    prompt=record.messages,
                    chosen=first,
                    rejected=second,
                    preference=_preference(judgement, one, two),
                    weight=1 / (len(record.responses) - 1),
                    line=row.line,
                    extra=record.metadata | {"raters": judgement.raters or 1},
                )
            )
    return pairs


def of_each_pair(pairs: Sequence[PreferencePair]) -> list[PreferencePair]:
    """Labels of Hone's own export as it learns from them itself: a pair for each two responses of an item, in order of
    item, with the mean of what its labels say, the likelier one as chosen."""
    found: dict[tuple[int, str, str], list[PreferencePair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: int(pair.extra["item"])):
        found[int(pair.extra["item"]), pair.chosen, pair.rejected].append(pair)
    merged = []
    for (_, first, second), labels in found.items():
        people = [label.extra["raters"] for label in labels]
        said = sum(raters * label.preference for raters, label in zip(people, labels, strict=True))
        p = said / sum(people)
        two = (first, second) if p >= 0.5 else (second, first)
        merged.append(replace(labels[0], chosen=two[0], rejected=two[1], preference=max(p, 1.0 - p), weight=1.0))
    return merged


def messages_of(layout: formats.Layout, row: formats.Row) -> Messages:
    """The conversation of a row; of a tree its first. Raises BadRow."""
    return _records(layout, row)[0].messages


def _preference(judgement: formats.Judgement, one: int, two: int) -> float:
    if judgement.ranks is not None:
        first, second = judgement.ranks[one], judgement.ranks[two]
        return 0.5 if first == second else float(first < second)
    if judgement.probability is not None:
        return judgement.probability
    return _PREFERENCE[judgement.outcome or "tie"]


def _records(layout: formats.Layout, row: formats.Row) -> list[formats.Record]:
    try:
        missing = sorted(layout.required - row.values.keys())
        if missing:
            raise BadRow(f"missing field {missing[0]}")
        if found := list(layout.read(Fields(row))):
            return found
    except formats.BadRow as error:
        raise BadRow(str(error).rstrip(".")) from None
    raise BadRow("nothing to read")
