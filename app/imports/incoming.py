"""A file that comes with a request: kept in the store, looked at, and what it is most likely meant as."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from threading import Lock

from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile

import formats
from app.imports import files, reading, service
from app.imports.forms import Choice
from app.imports.preview import Preview, preview
from app.models import ImportConfig, Project
from app.web.errors import Invalid, Refused

MOST_PREVIEWED = 10_000  # rows
# Files are read one at a time: several at once would take the interpreter from everybody else's requests.
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Unmapped:
    """A file whose columns say nothing by themselves: its columns, its first rows, and a proposal."""

    sentence: str
    columns: Sequence[str]
    rows: Sequence[formats.Row]
    proposal: dict[str, str]


def received(session: Session, project: Project, form: FormData, text: str = "") -> tuple[str, str] | None:
    """(address, name) of the file that a form brings, or of pasted text; None where it brings none."""
    file = form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        return service.keep(session, project, file.file), name_of(file)
    if text.strip():
        return service.keep(session, project, BytesIO(text.encode(errors="surrogatepass"))), "pasted text"
    return None


def name_of(file: UploadFile) -> str:
    """The file's name, without the folders that some browsers send."""
    plain = "".join(letter for letter in file.filename or "" if letter.isprintable())
    return PurePosixPath(plain.replace("\\", "/")).name[-200:] or "file"


def asked(choice: Choice, file: str, name: str) -> ImportConfig:
    """The import of a stored file, as what it is most likely meant where nobody says. Raises Invalid where it cannot be
    read, formats.UnknownLayout where its columns have to be mapped first."""
    first = choice.config(file, name, "prompts")
    if choice.what is not None:
        return first
    try:
        with _one_at_a_time:
            found = formats.read(
                files.path(file), layout=first.layout, mapping=first.mapping or None, kind=first.container,
                encoding=first.encoding, delimiter=first.delimiter, max_bytes=reading.MAX_EXPANDED,
                most=reading.LOOKED_AT,
            )  # fmt: skip
    except formats.UnknownLayout:
        raise
    except formats.Unreadable as error:
        raise Invalid(str(error), "file") from None
    return choice.config(file, name, reading.offers(found))


def looked_at(session: Session, project: Project, config: ImportConfig) -> Preview:
    """What the first rows come to. Raises as `asked` does."""
    with _one_at_a_time:
        return preview(session, project, files.path(config.file), config, MOST_PREVIEWED)


def columns(choice: Choice, file: str) -> list[str]:
    """The columns of a stored file, to be mapped; none where it has none that can be told."""
    first = choice.config(file, "", "prompts")
    try:
        with _one_at_a_time:
            found = formats.read(
                files.path(file), kind=first.container, encoding=first.encoding, delimiter=first.delimiter,
                max_bytes=reading.MAX_EXPANDED, most=reading.LOOKED_AT,
            )  # fmt: skip
        return found.columns
    except formats.UnknownLayout as error:
        return error.columns
    except (formats.Unreadable, Refused):
        return []


def unmapped(error: formats.UnknownLayout) -> Unmapped:
    """What a person needs to map the columns."""
    return Unmapped(error.says, error.columns, error.sample[:3], formats.guess(error.columns, error.sample))
