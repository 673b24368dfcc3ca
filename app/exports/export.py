"""One export: its rows in batches, and the file or the archive that they make. Knows no request and no run."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy.orm import Session

from app.exports import archive, label_studio, queries, rows
from app.exports.encoders import ENCODERS, MEDIA_TYPES, Encoder, suffix
from app.exports.queries import Moment
from app.exports.rows import FILES, Out
from app.models import Project, Split
from app.models.export_settings import ExportFormat, ExportLayout, ExportSettings
from app.web.errors import Invalid

ZIP = "application/zip"


@dataclass(frozen=True)
class Batch:
    """Some rows, the number of labels they were made of, and where the next batch begins."""

    rows: list[Out]
    labels: int
    last: int


class Export:
    """The labels of a project as `wanted`. Invalid where the project asks no such question. Without rows it is a valid
    file all the same."""

    def __init__(self, project: Project, wanted: ExportSettings) -> None:
        if wanted.question and not project.answer.asks(wanted.question):
            raise Invalid("This project asks no such question.", "question")
        self.project_id, self.title = project.id, project.name
        self.wanted, self.asked = wanted, project.answer
        self.format = wanted.written_as
        self.schema = None if wanted.layout is ExportLayout.LABEL_STUDIO else rows.schema(wanted)
        self.rows = 0  # so far

    @property
    def about(self) -> dict[str, Any]:
        """What was asked for: what the audit trail keeps."""
        asked = self.wanted.model_dump(mode="json", exclude_defaults=True)
        return asked | {"layout": self.wanted.layout.value, "format": self.format.value}

    @property
    def name(self) -> str:
        """Of the file."""
        return f"project-{self.project_id}-{self.wanted.layout}.{'zip' if self.wanted.apart else suffix(self.format)}"

    @property
    def media_type(self) -> str:
        """Of the file."""
        return ZIP if self.wanted.apart else MEDIA_TYPES[self.format]

    @property
    def columns(self) -> list[str]:
        """The names of a row's fields."""
        return ["data", "annotations"] if self.schema is None else list(self.schema.names)

    @property
    def streams(self) -> list[Split | None]:
        """The splits that have a file of their own; None stands for all that there are, in one."""
        return list(self.wanted.splits) if self.wanted.apart else [None]

    def count(self, session: Session, most: int) -> int:
        """How many labels it is made of now; `most` where there are as many or more."""
        return queries.count(session, self.project_id, self.wanted, queries.now(session), most)

    def pieces(self, session: Session) -> Iterator[bytes]:
        """The file, made while the labels are read; some pieces are empty. The session sees one state of the database
        as long as its transaction lasts."""
        moment = queries.now(session)
        if self.wanted.apart:
            yield from archive.stream(self._entries(session, moment))
        else:
            yield from self._encoded(self.batches(session, moment, None))

    def preview(self, session: Session, rows: int = 3) -> list[Out]:
        """The first rows, as they will be."""
        moment = queries.now(session)
        found: list[Out] = []
        for batch in self.batches(session, moment, None, size=rows):
            found += batch.rows
            if len(found) >= rows:
                break
        return found[:rows]

    def preview_text(self, session: Session) -> str:
        """The same as text: of CSV as the file has them, else as JSON."""
        found = self.preview(session)
        if self.format in (ExportFormat.CSV, ExportFormat.EXCEL):
            encoder = self.encoder()
            return (encoder.encode(found) + encoder.end()).decode("utf-8-sig")
        return "\n\n".join(json.dumps(row, ensure_ascii=False) for row in found)

    def batches(
        self, session: Session, moment: Moment, split: Split | None, after: int = 0, size: int | None = None
    ) -> Iterator[Batch]:
        """The rows of a split, or of all there are, from behind a label on, or an item where rows are made of those."""
        read = queries.items if self.wanted.by_item else queries.labels
        for found in read(session, self.project_id, self.wanted, moment, split, after, size):
            last = found[-1].item_id if self.wanted.by_item else found[-1].id
            yield Batch(list(self._rows(moment, found)), len(found), last)

    def encoder(self, first: bool = True) -> Encoder:
        """Writes one part of a file."""
        return ENCODERS[self.format](self.schema, first)

    def folder(self, parts: Mapping[Split | None, Sequence[str]]) -> Iterator[tuple[str, bytes]]:
        """The files that an archive has beside those of its rows, of which `parts` has the names: of splits that have
        rows, since `load_dataset` refuses a folder with a split that has none."""
        files = {FILES[split]: names for split, names in parts.items() if split is not None}
        of_dataset = self.format is ExportFormat.DATASET
        if of_dataset:
            yield "dataset_dict.json", archive.folder(list(files))
            for split, names in files.items():
                yield f"{split}/state.json", archive.state(split, [name.split("/")[-1] for name in names])
                yield f"{split}/dataset_info.json", b"{}"
        patterns = {} if of_dataset else {split: f"{split}*" for split in files}
        how = "load_from_disk" if of_dataset else "load_dataset"
        said = [
            f"{self.wanted.layout}: labels of the project {self.title}, by Hone.",
            f'Read it with `datasets.{how}("the folder")`.',
        ]
        if "test" in files:
            said.append("`test` has the labels on prompts that are held out: train nothing on them.")
        yield "README.md", archive.card(f"Labels of project {self.project_id}", patterns, self.columns, said)

    def part(self, split: Split | None, number: int | None = None) -> str:
        """The name of a file of rows in the archive; `number` where there are several of a split."""
        name = "all" if split is None else FILES[split]
        if self.format is ExportFormat.DATASET:
            return f"{name}/data-{number or 0:05}.arrow"
        return f"{name}.{suffix(self.format)}" if number is None else f"{name}-{number:05}.{suffix(self.format)}"

    def _entries(self, session: Session, moment: Moment) -> Iterator[archive.Entry]:
        names: dict[Split | None, Sequence[str]] = {}
        for split in self.wanted.splits:
            found = (batch for batch in self.batches(session, moment, split) if batch.rows)
            if (first := next(found, None)) is not None:
                names[split] = [self.part(split)]
                yield self.part(split), self._encoded(chain([first], found))
        if not names:
            split = self.wanted.splits[0]
            names[split] = [self.part(split)]
            yield self.part(split), self._encoded(())
        for name, content in self.folder(names):
            yield name, iter([content])

    def _encoded(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        encoder = self.encoder()
        for batch in batches:
            self.rows += len(batch.rows)
            yield encoder.encode(batch.rows)
        yield encoder.end()

    def _rows(self, moment: Moment, found: rows.Found) -> Iterator[Out]:
        wanted, layout = self.wanted, self.wanted.layout
        if layout is ExportLayout.LABEL_STUDIO:
            return label_studio.tasks(wanted, self.asked, found)
        if wanted.by_item:
            return rows.pairs(wanted, found)
        if layout is ExportLayout.EVERYTHING:
            of_one = partial(rows.everything, wanted, self.asked, moment)
        else:
            of_one = partial(rows.written if layout is ExportLayout.SFT else rows.preferences, wanted)
        return chain.from_iterable(of_one(label) for label in found)
