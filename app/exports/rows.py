"""Labels as rows: everything there is, and the rows that others train on. Pure functions of what `queries` found.

People appear by number, unless names are asked for. Who prefers what comes from preferences alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import pyarrow as pa
from sqlalchemy import Row

from app.annotation.comparison import value as comparisons
from app.exports.queries import Moment
from app.models import Outcome, Split
from app.models.export_settings import ExportLayout, ExportRows, ExportSettings
from app.models.project_settings import LabelSettings
from app.rewards.targets import Pair, Vote, mean_targets

Found = Sequence[Row[Any]]
Out = dict[str, Any]
FILES = {Split.TRAIN: "train", Split.HOLDOUT: "test"}
"""What others call our splits."""

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_ORIGIN = [
    ("name", pa.string()), ("model", pa.int64()), ("author", pa.int64()), ("imported_from", pa.string()),
    ("strategy", pa.string()), ("temperature", pa.float64()), ("top_p", pa.float64()), ("top_k", pa.int64()),
    ("seed", pa.int64()), ("finish_reason", pa.string()), ("token_count", pa.int64()), ("metadata", pa.string()),
]  # fmt: skip
_NAMED = pa.list_(pa.struct([("id", pa.string()), ("text", pa.string())]))
_PREFERENCES = pa.list_(
    pa.struct(
        [
            ("question", pa.string()), ("text", pa.string()), ("first", pa.int64()), ("second", pa.int64()),
            ("outcome", pa.string()), ("strength", pa.int64()), ("levels", pa.int64()), ("probability", pa.float64()),
            ("raters", pa.int64()),
        ]
    )
)  # fmt: skip
_EVERYTHING = [
    ("label", pa.int64()), ("kind", pa.string()), ("item", pa.int64()), ("prompt_id", pa.int64()),
    ("split", pa.string()), ("chooses", pa.bool_()), ("purpose", pa.string()), ("usable", pa.bool_()),
    ("annotator", pa.int64()), ("annotator_name", pa.string()), ("prompt", _MESSAGES),
    ("responses", pa.list_(pa.struct([("position", pa.int64()), ("text", pa.string()), *_ORIGIN]))),
    ("order", pa.list_(pa.int64())), ("value", pa.string()), ("preferences", _PREFERENCES), ("reasons", _NAMED),
    ("comment", pa.string()), ("seconds", pa.float64()), ("passed", pa.bool_()), ("late", pa.bool_()),
    ("surplus", pa.bool_()), ("instructions", pa.int64()), ("created_at", pa.string()), ("superseded_at", pa.string()),
    ("metadata", pa.string()),
]  # fmt: skip
_BY = [("label", pa.int64()), ("annotator", pa.int64()), ("annotator_name", pa.string()), ("created_at", pa.string())]
_ABOUT = [
    ("item", pa.int64()), ("split", pa.string()), ("chooses", pa.bool_()), ("purpose", pa.string()),
    ("metadata", pa.string()),
]  # fmt: skip
_FROM = pa.struct(_ORIGIN)
_SOFT = [("weight", pa.float64()), ("raters", pa.int64()), ("ties", pa.int64())]


def schema(wanted: ExportSettings) -> pa.Schema:
    """The columns of an export with their types; of Label Studio's tasks there is none."""
    pairs = wanted.rows is ExportRows.PAIRS
    if wanted.layout is ExportLayout.EVERYTHING:
        columns = _EVERYTHING
    elif wanted.layout is ExportLayout.SFT:
        columns = [("prompt", _MESSAGES), ("completion", _MESSAGES), *_ABOUT, *_BY, ("completion_from", _FROM)]
    else:
        text = pa.string() if wanted.layout is ExportLayout.TRL else _MESSAGES
        columns = [("prompt", text), ("chosen", text), ("rejected", text), ("preference", pa.float64())]
        columns += _SOFT if pairs else [("margin", pa.float64())]
        columns += [*_ABOUT, ("question", pa.string()), *(() if pairs else _BY)]
        columns += [("chosen_from", _FROM), ("rejected_from", _FROM)]
    return pa.schema([column for column in columns if wanted.names or column[0] != "annotator_name"])


def everything(wanted: ExportSettings, asked: LabelSettings, moment: Moment, label: Row[Any]) -> Iterator[Out]:
    """One row, with all there is. Questions and reasons have their present texts beside their ids."""
    gone = label.superseded_at is not None and label.superseded_at <= moment.at
    yield {
        "label": label.id,
        "kind": label.value.kind,
        "item": label.item_id,
        "prompt_id": label.prompt_id,
        "split": label.split.value,
        "chooses": label.chooses,
        "purpose": label.purpose.value,
        "usable": label.usable and not gone,
        **_annotator(wanted, label),
        "prompt": label.messages,
        "responses": [
            {"position": each["position"], "text": each["text"], **_origin(wanted, each)}
            for each in label.responses or ()
        ],
        "order": label.order,
        "value": label.value.model_dump_json(),
        "preferences": [_stated(asked, label, stated) for stated in label.stated or ()],
        "reasons": [{"id": id_, "text": asked.text_of(id_)} for id_ in label.reasons],
        "comment": label.comment,
        "seconds": label.seconds,
        "passed": label.passed,
        "late": label.late,
        "surplus": label.surplus,
        "instructions": label.instructions,
        "created_at": given_at(label),
        "superseded_at": label.superseded_at.isoformat() if gone else None,
        "metadata": _metadata(label.of_prompt, label.of_item, label.of_label),
    }


def _stated(asked: LabelSettings, label: Row[Any], stated: Mapping[str, Any]) -> Out:
    text = asked.text_of(stated["question"]) if stated["question"] else None
    return {**stated, "text": text, "levels": levels(asked, label) if stated["strength"] else None}


def levels(asked: LabelSettings, label: Row[Any]) -> int | None:
    """Of how many levels a label's strength is: the project's, or, where it asks for none, those of the file that
    brought the label."""
    most = (label.of_label or {}).get("strength_of")
    return comparisons.settings_in(asked).levels or (int(most) if most in (2, 3, 4) else None)


def given_at(label: Row[Any]) -> str:
    """When the label was given: by its file, where one brought it with a date."""
    date = (label.of_label or {}).get("date")
    try:
        found = datetime.fromisoformat(date) if isinstance(date, str) else label.created_at
    except ValueError:  # in other words
        found = label.created_at
    return str(found.isoformat())


def written(wanted: ExportSettings, label: Row[Any]) -> Iterator[Out]:
    """The response that somebody wrote as this label."""
    response = (label.responses or [])[-1]
    about = _about(label) | _by(wanted, label)
    yield {
        "prompt": label.messages,
        "completion": _assistant(response["text"]),
        **about,
        "completion_from": _origin(wanted, response),
    }


def preferences(wanted: ExportSettings, label: Row[Any]) -> Iterator[Out]:
    """A row for each two responses of which one is better by this label, or which it calls equal."""
    responses = {response["position"]: response for response in label.responses or ()}
    for stated in label.stated or ():
        outcome = Outcome(stated["outcome"])
        if stated["question"] != wanted.question or not _taken(wanted, outcome):
            continue
        two = [responses[stated[place]] for place in ("first", "second")]
        chosen, rejected = two if stated["probability"] >= 0.5 else reversed(two)
        more = _about(label) | {"question": wanted.question} | _by(wanted, label)
        preference = max(stated["probability"], 1.0 - stated["probability"])
        numbers = {"preference": preference, "margin": float(stated["strength"] or 0)}
        yield _pair(wanted, label.messages, chosen, rejected, numbers | more)


def pairs(wanted: ExportSettings, found: Found) -> Iterator[Out]:
    """A row for each two responses of which anything was said: the better one by most of its raters is chosen, and
    `preference` is the share of them that say so, a tie being half a vote. As reward models of ours learn from them."""
    for _, of_item in groupby(found, lambda label: label.item_id):
        labels = list(of_item)
        responses = {response["position"]: response for label in labels for response in label.responses or ()}
        votes = sorted((v for label in labels for v in _votes(wanted, label)), key=lambda vote: vote.annotator_id)
        targets = mean_targets(votes)
        for pair in sorted(targets):
            p = targets[pair]
            if p == 0.5 and not wanted.ties:
                continue
            said = [vote for vote in votes if vote.pair == pair and vote.outcome is not Outcome.BOTH_BAD]
            chosen, rejected = (responses[place] for place in (pair[1:] if p >= 0.5 else pair[:0:-1]))
            numbers = {
                "preference": max(p, 1.0 - p),
                "weight": 1.0,
                "raters": sum(vote.raters for vote in said),
                "ties": sum(vote.raters for vote in said if vote.outcome is Outcome.TIE),
            }
            more = _about(labels[0]) | {"question": wanted.question}
            yield _pair(wanted, labels[0].messages, chosen, rejected, numbers | more)


def _votes(wanted: ExportSettings, label: Row[Any]) -> Iterator[Vote]:
    for stated in label.stated or ():
        if stated["question"] == wanted.question:
            pair: Pair = (label.item_id, stated["first"], stated["second"])
            yield Vote(pair, label.rater, Outcome(stated["outcome"]), stated["probability"], stated["raters"])


def _taken(wanted: ExportSettings, outcome: Outcome) -> bool:
    return outcome in (Outcome.FIRST, Outcome.SECOND) or (wanted.ties and outcome is Outcome.TIE)


def _pair(wanted: ExportSettings, messages: Sequence[Any], chosen: Out, rejected: Out, more: Out) -> Out:
    if wanted.layout is ExportLayout.TRL:
        texts = {"prompt": plain(messages), "chosen": chosen["text"], "rejected": rejected["text"]}
    else:
        texts = {"prompt": messages, "chosen": _assistant(chosen["text"]), "rejected": _assistant(rejected["text"])}
    return texts | more | {"chosen_from": _origin(wanted, chosen), "rejected_from": _origin(wanted, rejected)}


def plain(messages: Sequence[Mapping[str, str]]) -> str:
    """A conversation as one text: the question alone, or its turns by name, open for the response."""
    if len(messages) == 1:
        return messages[0]["content"]
    turns = [f"{turn['role'].title()}: {turn['content']}" for turn in messages]
    return "\n\n".join([*turns, "Assistant:"])


def _metadata(*given: Mapping[str, Any] | None) -> str | None:
    """What an import kept of its columns, as JSON."""
    found = {name: value for each in given for name, value in (each or {}).items()}
    return json.dumps(found, ensure_ascii=False) if found else None


def _assistant(text: str) -> list[Out]:
    return [{"role": "assistant", "content": text}]


def _about(label: Row[Any]) -> Out:
    about = {"item": label.item_id, "split": label.split.value, "chooses": label.chooses}
    metadata = _metadata(label.of_prompt, label.of_item, label.of_label)
    return about | {"purpose": label.purpose.value, "metadata": metadata}


def _by(wanted: ExportSettings, label: Row[Any]) -> Out:
    return {"label": label.id, **_annotator(wanted, label), "created_at": given_at(label)}


def _annotator(wanted: ExportSettings, label: Row[Any]) -> Out:
    return {"annotator": label.rater} | ({"annotator_name": label.annotator} if wanted.names else {})


def _origin(wanted: ExportSettings, response: Mapping[str, Any]) -> Out:
    origin = {name: response[name] for name, _ in _ORIGIN} | {"metadata": _metadata(response["metadata"])}
    return origin | ({"name": response["author_name"]} if wanted.names and response["author"] else {})
