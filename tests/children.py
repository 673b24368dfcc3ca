"""Processes that a test started end with it, also where it fails in between: no other test meets them, nor what is left
of them in the system's list."""

import subprocess
from typing import TypeVar

P = TypeVar("P", bound="subprocess.Popen[bytes] | subprocess.Popen[str]")
_started: list["subprocess.Popen[bytes] | subprocess.Popen[str]"] = []


def ended(process: P) -> P:
    """The same process, which is killed at the test's end, if it is there still."""
    _started.append(process)
    return process


def end_all() -> None:
    """Kill and wait for those that are left."""
    while _started:
        process = _started.pop()
        process.kill()  # does nothing where it has been waited for
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
