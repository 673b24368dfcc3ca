"""An export written to a folder in parts, each of them whole or not there, so that one that was broken off goes on.

`state.json` says what there is, and of which moment the labels are: whoever goes on writes the same labels. Knows no
run; the folder is read by `entries`.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from app.exports import archive, queries
from app.exports.encoders import JOINED, MEDIA_TYPES
from app.exports.export import ZIP, Export
from app.exports.queries import Moment
from app.models import Split

PART = 50_000  # labels
CHUNK = 1 << 20
FOLDER = "export"
"""Where in an attempt's folder it is."""
_STATE = "state.json"
Tell = Callable[[int, int, str], None]
"""Is called after each batch with how many labels are done, of how many."""


@dataclass(frozen=True)
class Part:
    """A file of rows: of which split, how many rows and labels are in it, and where the next one begins; `final` where
    there is none."""

    file: str
    split: str | None
    rows: int
    labels: int
    last: int
    final: bool


@dataclass
class State:
    """What is written so far."""

    upto: int
    at: str
    total: int
    parts: list[Part] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """In all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def labels(self) -> int:
        """In all parts."""
        return sum(part.labels for part in self.parts)

    def of(self, split: Split | None) -> list[Part]:
        """The parts of a split."""
        return [part for part in self.parts if part.split == split]

    @property
    def moment(self) -> Moment:
        """Of which the labels are."""
        return Moment(self.upto, datetime.fromisoformat(self.at))


def write(session: Session, export: Export, folder: Path, tell: Tell) -> State:
    """Write what is missing of the export; `tell` may raise, and what was finished by then stays."""
    folder.mkdir(exist_ok=True)
    state = _read(folder)
    if state is None:
        moment = queries.now(session)
        total = queries.count(session, export.project_id, export.wanted, moment)
        state = State(moment.upto, moment.at.isoformat(), total)
        _save(folder, state)
    for split in export.streams:
        while not (done := state.of(split)) or not done[-1].final:
            state.parts.append(_part(session, export, folder, state, split, tell))
            _save(folder, state)
    return state


def entries(export: Export, folder: Path) -> tuple[str, str, Iterator[bytes]]:
    """(name, media type, content) of the file that the folder makes. FileNotFoundError where it is not there."""
    state = _read(folder)
    if state is None:
        raise FileNotFoundError(folder / _STATE)
    streams = [split for split in export.streams if any(part.rows for part in state.of(split))] or export.streams[:1]
    files = {split: [folder / part.file for part in state.of(split)] for split in streams}
    if not export.wanted.apart and (export.format in JOINED or len(files[None]) == 1):
        return export.name, MEDIA_TYPES[export.format], _content(files[None])
    return f"{Path(export.name).stem}.zip", ZIP, archive.stream(_archived(export, files))


def _archived(export: Export, files: dict[Split | None, list[Path]]) -> Iterator[archive.Entry]:
    joined = export.format in JOINED
    names = {
        split: [export.part(split)] if joined else [export.part(split, n) for n in range(len(paths))]
        for split, paths in files.items()
    }
    for name, content in export.folder(names):
        yield name, iter([content])
    for split, paths in files.items():
        for name, of_it in zip(names[split], [paths] if joined else [[path] for path in paths], strict=True):
            yield name, _content(of_it)


def _content(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece


def _part(session: Session, export: Export, folder: Path, state: State, split: Split | None, tell: Tell) -> Part:
    before = state.of(split)
    name = f"{split or 'all'}-{len(before):05}"
    encoder, last = export.encoder(first=not before), before[-1].last if before else 0
    rows, labels, final = 0, 0, True
    beside = folder / f".{name}"
    with beside.open("wb") as file:
        for batch in export.batches(session, state.moment, split, last):
            file.write(encoder.encode(batch.rows))
            rows, labels, last = rows + len(batch.rows), labels + batch.labels, batch.last
            tell(state.labels + labels, state.total, "labels")
            if labels >= PART:
                final = False
                break
        file.write(encoder.end(last=final))
        file.flush()
        os.fsync(file.fileno())
    beside.rename(folder / name)
    return Part(name, split, rows, labels, last, final)


def _read(folder: Path) -> State | None:
    try:
        known = json.loads((folder / _STATE).read_bytes())
    except FileNotFoundError:
        return None
    parts = [Part(**part) for part in known.pop("parts")]
    return State(**known, parts=parts)


def _save(folder: Path, state: State) -> None:
    beside = folder / f".{_STATE}"
    with beside.open("w", encoding="utf-8") as file:
        json.dump(asdict(state), file)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(folder / _STATE)
