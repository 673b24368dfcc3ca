"""A run's log as people read it: what its child process wrote, with a progress bar where it stands now, and without
places on the server, warnings about libraries, and the summary, which is shown by itself."""

import json
import re
from collections.abc import Iterable, Iterator

from app.models import Run
from app.runs import folders
from app.settings import get_settings

SEARCHED = 10_000_000  # octets of its end
_BAR = re.compile(r"\s*\d+%\|")  # as tqdm draws it
_WARNING = re.compile(r"(?:\S+/)?\S+\.py:\d+: (\w*Warning: .*)")
_OF_LIBRARIES = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
_PACKAGES = re.compile(r"/[^\s\"']*/(?:site|dist)-packages/")


def tail(run: Run, octets: int = 8_000) -> str | None:
    """The end of the log, from a whole line on; None where there is none yet."""
    try:
        with (folders.workspace(run) / "log.txt").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - octets))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    lines = text.split("\n")
    return "\n".join(readable(lines[1:] if size > octets and len(lines) > 1 else lines, str(get_settings().store)))


def find(run: Run, wanted: str, most: int = 500) -> list[tuple[int, str]]:
    """(number, line) of the lines near the end of the log that hold a text, in whatever case; the last of them where
    there are more than `most`."""
    lines = (tail(run, SEARCHED) or "").split("\n")
    found = [(number, line) for number, line in enumerate(lines, 1) if wanted.casefold() in line.casefold()]
    return found[-most:]


def readable(lines: Iterable[str], store: str) -> Iterator[str]:
    """The lines that are for people. A progress bar draws over itself, by carriage returns or, where lines are objects,
    by one line after another: the last drawing is kept."""
    places = re.compile(re.escape(store) + r"/(?:[^\s\"']*/)?")
    bar = None  # the last drawing of one that may go on
    source = False  # whether the last line was a warning, which its source follows
    for written in lines:
        line = _said(written)
        of_warning, source = source, False
        if line is None or (of_warning and line.startswith("  ")):
            continue
        if _BAR.match(line):
            bar = line
            continue
        if (warned := _WARNING.match(line)) is not None:
            source = True
            if warned[1].startswith(_OF_LIBRARIES):
                continue
            line = warned[1]
        if bar is not None:
            yield bar
            bar = None
        yield _PACKAGES.sub("", places.sub("", line))
    if bar is not None:
        yield bar


def _said(written: str) -> str | None:
    """What a line says; None for a summary, which is an object that says nothing."""
    if written.startswith("{"):
        try:
            said = json.loads(written)
        except ValueError:
            return written
        written = str(said["message"]) if "message" in said else "{}"
        if written.startswith("{"):
            return None
    return written.rstrip("\r").rsplit("\r", 1)[-1]
