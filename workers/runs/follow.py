"""Read what a child process writes, line by line while it writes. Knows no run."""

import json
import os
import re
from collections import deque
from pathlib import Path
from typing import Any


class JsonLines:
    """New whole JSON lines of a growing file that may not be there yet. One that was written anew is read anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inode, self._offset = 0, 0

    def new(self) -> list[dict[str, Any]]:
        """The objects written since the last call; a broken line (a kill in mid-write) is passed over."""
        try:
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno())
                if about.st_ino != self._inode or about.st_size < self._offset:
                    self._inode, self._offset = about.st_ino, 0
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        rows = []
        for line in whole.splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
        return rows


class Rate:
    """Steps a second over the recent past."""

    def __init__(self, keep: int = 20) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=keep)

    def at(self, seconds: float, step: float) -> float | None:
        """The rate at this moment; None until there are two points. A step that goes back begins anew."""
        if self._points and step < self._points[-1][1]:
            self._points.clear()
        if not self._points or step > self._points[-1][1]:
            self._points.append((seconds, step))
        (first_time, first_step), (last_time, last_step) = self._points[0], self._points[-1]
        return (last_step - first_step) / (last_time - first_time) if last_time > first_time else None


def last_error(log: Path, since: int = 0) -> str | None:
    """The sentence after "error: " of the last such line near the end of a log, no part before `since` octets read."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, 2) - 65_536))
            lines = re.split(r"[\r\n]", file.read().decode(errors="replace"))
    except FileNotFoundError:
        return None
    lines = [_message(line) for line in lines]
    return next((line.removeprefix("error: ").strip() for line in reversed(lines) if line.startswith("error: ")), None)


def _message(line: str) -> str:
    """What was said, where lines are objects (`rlhf.log_lines`)."""
    try:
        said = json.loads(line)["message"] if line.startswith("{") else line
    except (ValueError, KeyError):
        return line
    return str(said)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> int:
    """Write rows as JSON lines, whole or not at all; how many."""
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    beside.replace(path)
    return len(rows)
