"""What a file would come to, without storing any of it: the same reading as its import, and what is there already."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sqlalchemy.orm import Session

import formats
from app.imports.batches import BATCH, batches
from app.imports.reading import LOOKED_AT, Ready, opened
from app.items import imported as items
from app.labels import imported as labels
from app.models import ImportConfig, Project
from app.models.documents import ImportCounts
from app.prompts import queries as prompt_queries
from app.web.errors import Invalid
from formats import Refusal

FIRST = 5


@dataclass
class Preview:
    """How a file was read and what its rows come to; of `rows`, not all of the file where it is not `whole`."""

    container: str
    layout: str | None
    columns: list[str]
    rows: int = 0
    whole: bool = True
    counts: ImportCounts = field(default_factory=dict)
    first: list[Ready] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class _Known:
    """What the project has, and what came in the rows before."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session, self._project = session, project
        self._prompts: set[str] = set()
        self._items: set[str] = set()
        self._labels: set[tuple[str, str]] = set()

    def count(self, rows: Sequence[Ready], what: str) -> Counter[str]:
        """What these rows would add, as storing them counts it."""
        made: Counter[str] = Counter()
        digests = {row.digest for row in rows} - self._prompts
        there = prompt_queries.known_hashes(self._session, self._project.id, list(digests))
        made["prompts"] = len(digests - there)
        self._prompts |= digests
        if what == "prompts":
            made["duplicates"] = len(rows) - made["prompts"]
            return made
        keys = {row.key or "" for row in rows}
        stored = items.known(self._session, self._project.id, list(keys))
        made["pairs"] = len(keys - self._items - stored.keys())
        self._items |= keys
        if what == "pairs":
            made["duplicates"] = len(rows) - made["pairs"]
            return made
        given = labels.known_keys(self._session, list(stored.values()))
        said = [(row.key or "", each.key) for row in rows for each in row.opinions]
        new = {each for each in set(said) - self._labels if (stored.get(each[0], 0), each[1]) not in given}
        self._labels |= set(said)
        made["labels"], made["duplicates"] = len(new), len(said) - len(new)
        return made


def preview(session: Session, project: Project, path: Path, config: ImportConfig, most: int | None) -> Preview:
    """Read up to `most` rows of the file's first bytes, all of it without `most`. Raises Invalid where it cannot be
    read at all, and formats.UnknownLayout where its columns have to be mapped first."""
    try:
        file = opened(path, config, project.answer, None if most is None else LOOKED_AT)
        layout = file.reading.layout
        found = Preview(file.reading.container.kind, layout.name if layout else None, file.reading.columns)
        known, counts = _Known(session, project), Counter[str]()
        rows = file.rows()
        for batch in batches(islice(rows, most), BATCH):
            good = [each for _, each in batch if isinstance(each, Ready)]
            bad = [each for _, each in batch if isinstance(each, Refusal)]
            counts.update(known.count(good, config.what))
            counts["refused"] += len(bad)
            found.rows += len(batch)
            found.first += good[: FIRST - len(found.first)]
            found.refused += bad[: 1_000 - len(found.refused)]
        found.whole = (found.rows != most or next(rows, None) is None) and not file.reading.stopped
    except formats.UnknownLayout:
        raise
    except formats.Unreadable as error:
        raise Invalid(str(error), "file") from None
    counts.update({f"{what}_left_out": count for what, count in file.left_out.items()})
    found.counts = dict(counts)
    return found
