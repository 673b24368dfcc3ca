"""Output as JSON lines, for whoever collects the logs of a run together with others.

Where the environment variable RLHF_LOG_FIELDS holds a JSON object, each line that is written to stdout or stderr
becomes an object of its fields, the time and the line as `message`. What libraries in C write stays as it is.
"""

import io
import json
import os
import sys
from datetime import UTC, datetime
from typing import TextIO

VARIABLE = "RLHF_LOG_FIELDS"
LONGEST = 8_192  # characters of a line


class JsonLines(io.TextIOBase):
    """A stream that writes each whole line to `to` as an object. A progress bar's \\r ends a line too."""

    encoding = "utf-8"

    def __init__(self, to: TextIO, fields: dict[str, object]) -> None:
        self._to, self._fields, self._rest = to, fields, ""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._to.fileno()

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).replace("\r", "\n").split("\n")
        for line in lines:
            self._say(line)
        return len(text)

    def flush(self) -> None:
        self._to.flush()

    def close(self) -> None:
        """A last line that has no end is written too. The stream below stays open."""
        self._say(self._rest)
        self._rest = ""
        self.flush()

    def _say(self, line: str) -> None:
        if not line.strip():
            return
        if len(line) > LONGEST:
            line = f"{line[:LONGEST]} … (cut: {len(line):,} characters)"
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._to.write(json.dumps({"time": now, **self._fields, "message": line}, ensure_ascii=False) + "\n")


def begin() -> None:
    """Write lines as objects from now on, where the environment asks for it."""
    if fields := os.environ.get(VARIABLE):
        known = json.loads(fields)
        sys.stdout, sys.stderr = JsonLines(sys.stdout, known), JsonLines(sys.stderr, known)
