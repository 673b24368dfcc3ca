"""The responses of an API as they come, in a file of the attempt."""

import json
import os
from pathlib import Path

from workers.runs.follow import JsonLines
from workers.sources.source import Row


class ResponseFile:
    """Responses by prompt and place, each on the disk as soon as it is there. A line that a kill has cut off is passed
    over: it is asked for again. So are all, where none could be used: somebody will have changed something."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: dict[tuple[int, int], Row] = {(line["id"], line["place"]): line for line in JsonLines(path).new()}
        if self.lines and not self.usable:
            self.lines = {}
            path.unlink()

    @property
    def usable(self) -> bool:
        """Whether any response can be used."""
        return any("response" in line for line in self.lines.values())

    def add(self, id_: int, place: int, values: Row) -> None:
        """Keep one, on the disk before this returns."""
        line = {"id": id_, "place": place, **values}
        with self._path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines[id_, place] = line
