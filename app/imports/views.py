"""What pages and calls say about imports: the first rows as they will look, counts in words, refused rows as a file."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app import db
from app.imports import queries
from app.imports.opinions import Opinion
from app.imports.preview import Preview
from app.imports.reading import Ready
from app.items.imported import UNNAMED
from app.models import Imported, Messages, Run
from app.models.label import LETTERS
from app.models.project_settings import LabelSettings
from app.web.filters import plural
from app.web.slots import SlottedDownload

SHOWN = 20
_WORDS = {"prompts": "new prompt", "pairs": "new item", "labels": "new label"}


@dataclass(frozen=True)
class Said:
    """What one annotator says of a row's responses, in words."""

    annotator: str | None
    words: str
    comment: str | None


@dataclass(frozen=True)
class Looks:
    """A row as it will look: (letter, text, author) of its responses."""

    line: int
    messages: Messages
    responses: Sequence[tuple[str, str, str]]
    said: Sequence[Said]
    extra: Sequence[str]


@dataclass(frozen=True)
class Seen:
    """A preview for a page."""

    preview: Preview
    counts: Sequence[tuple[int, str]]
    rows: Sequence[Looks]
    left_out: str


def seen(preview: Preview, what: Imported, asked: LabelSettings) -> Seen:
    """A preview in words."""
    order: dict[Imported, tuple[str, ...]] = {
        "prompts": ("prompts",),
        "pairs": ("pairs", "prompts"),
        "labels": ("labels", "pairs", "prompts"),
    }
    counts = [(preview.counts.get(name, 0), _WORDS[name]) for name in order[what]]
    return Seen(preview, counts, [_looks(row, asked) for row in preview.first], left_out(preview.counts))


def left_out(counts: dict[str, int]) -> str:
    """What a file has beside what was asked for, in words; empty where there is nothing."""
    names = {"responses": "response", "labels": "label", "records": "row without a label or two responses"}
    found = [plural(n, word) for name, word in names.items() if (n := counts.get(f"{name}_left_out"))]
    return " and ".join(found)


def _looks(row: Ready, asked: LabelSettings) -> Looks:
    responses = [(LETTERS[place], each.text, each.author or UNNAMED) for place, each in enumerate(row.responses)]
    return Looks(row.line, row.messages, responses, said(row, asked), list(row.extra))


def said(row: Ready, asked: LabelSettings | None = None) -> list[Said]:
    """What annotators say of a row's responses, by their letters. Questions have their text where `asked` knows it."""
    name = asked.text_of if asked is not None else str
    return [
        Said(
            each.annotator,
            "; ".join(
                f"{name(one.question)}: {one.words}" if one.question else one.words
                for one in each.value.said(_letters(each))
            ),
            each.comment,
        )
        for each in row.opinions
    ]


def _letters(opinion: Opinion) -> Callable[[int], str]:
    """The letter of the response at each place of which a value speaks."""
    return lambda place: LETTERS[opinion.order[place] if opinion.order else place]


def refused_file(run: Run) -> SlottedDownload:
    """The refused rows of an import as JSON Lines."""
    run_id = run.id

    def pieces() -> Iterator[bytes]:
        with db.patient_session() as session:
            for rows in queries.all_refused(session, run_id):
                yield b"".join(
                    json.dumps({"line": row.line, "reason": row.reason, "row": row.raw}, ensure_ascii=False).encode()
                    + b"\n"
                    for row in rows
                )

    return SlottedDownload(pieces, "application/jsonl", f"import-{run_id}-refused.jsonl")
