"""Where the platform of a data folder answers: `hone up` notes it there for commands, whose environment may not say so.

Knows nothing of what is asked at those addresses.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.settings import Settings, get_settings

_TOLD = ("host", "port", "public_url", "inference_port", "inference_url")


def _note(folder: Path) -> Path:
    return folder / "run" / "address.json"


@contextmanager
def noted(settings: Settings, folder: Path) -> Iterator[None]:
    """Have these addresses noted for as long as this process, which holds the folder's lock, runs the platform."""
    told = {f"HONE_{name.upper()}": value for name in _TOLD if (value := getattr(settings, name)) is not None}
    _note(folder).write_text(json.dumps({"process": os.getpid(), "settings": told}))
    try:
        yield
    finally:
        _note(folder).unlink(missing_ok=True)


def adopt(folder: Path) -> None:
    """Make the addresses of the platform that holds this folder's lock this process's own settings. Where something
    else holds it, a command at work or the next platform on its way up, there is no note of that process's."""
    try:
        known = json.loads(_note(folder).read_text())
        holder = int((folder / "lock").read_text())
    except (FileNotFoundError, ValueError):
        return
    if known["process"] != holder:  # left behind by one that was killed
        return
    os.environ.update({name: str(value) for name, value in known["settings"].items()})
    get_settings.cache_clear()
