"""Where base models may come from, and who may say so.

What costs nobody anything is anybody's: the model that comes with Hone, tiny random ones, the installation's default.
A folder or a hub id is an administrator's decision, the one since this machine's files are read, the other since it
is fetched with the server's credentials. The text for a folder that may not be used is one, whether it is missing or
forbidden: nobody learns here what the machine has.
"""

import re
from pathlib import Path

from app.settings import get_settings
from app.web.errors import Invalid

BUILTIN = "builtin:smollm2-135m-instruct"
NOT_OFFERED = "This base model is not offered here. Choose one of the list, or ask an administrator to add it."
NO_PLACE = (
    "This folder cannot be used. Models are read from the folders that HONE_MODEL_FOLDERS names, with all of "
    "their files inside, and never from Hone's own data."
)
_NEEDED = "Name a model: builtin:…, tiny:<number>, a local folder, or a hub id (organisation/name)."
_TINY = re.compile(r"tiny:[0-9]{1,9}")
_HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_MOST_FILES = 2_000


def is_free(source: str) -> bool:
    """Whether everybody who may create a project may take this base model."""
    return source in (BUILTIN, get_settings().base_model) or _TINY.fullmatch(source) is not None


def named(source: str, field: str = "base_model") -> str:
    """The source that an administrator names, in the one form that is kept: a hub id, or a folder without links in its
    path. Invalid with a sentence, beside `field`, where it may not be used."""
    if is_free(source):
        return source
    if _HUB.fullmatch(source) and ".." not in source:
        return source
    if not source.startswith(("/", "~", ".")):
        raise Invalid(_NEEDED, field)
    folder = usable_folder(source)
    if folder is None:
        raise Invalid(NO_PLACE, field)
    return str(folder)


def refusal(source: str, offered: bool) -> str | None:
    """What stands against reading a source now, as a sentence: a folder may have changed since it was named."""
    if is_free(source):
        return None
    if not offered:
        return NOT_OFFERED
    if _HUB.fullmatch(source):
        return NO_PLACE if Path(source).exists() else None  # the loaders would take a folder of that name here first
    return None if usable_folder(source) == Path(source) else NO_PLACE


def usable_folder(text: str) -> Path | None:
    """The folder with every link on the way followed, where it and all its files lie in an allowed one and none in
    Hone's own; else None."""
    settings = get_settings()
    try:
        folder = Path(text).expanduser().resolve(strict=True)
        allowed = [root.expanduser().resolve() for root in settings.allowed_model_folders]
        own = [root.resolve() for root in (settings.data_dir, settings.store)]
        if not folder.is_dir() or not _lies_well(folder, allowed, own):
            return None
        files = list(zip(folder.rglob("*"), range(_MOST_FILES + 1), strict=False))
        if len(files) > _MOST_FILES or not all(_lies_well(path.resolve(), allowed, own) for path, _ in files):
            return None
    except (OSError, RuntimeError, ValueError):  # missing, no permission, a circle of links, a NUL
        return None
    return folder


def _lies_well(path: Path, allowed: list[Path], own: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in allowed) and not any(
        path.is_relative_to(root) or root.is_relative_to(path) for root in own
    )
