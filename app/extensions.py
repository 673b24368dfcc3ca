"""Modules outside this tree that add kinds of items, methods or sources: named in HONE_EXTENSIONS, and imported by the
web server and the worker as they start. Each calls the `register` of what it adds to; a folder `templates` beside a
package's modules is looked through for templates."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from app.settings import get_settings


def load() -> None:
    """Import them all; again does nothing. What a module raises goes to whoever starts the process."""
    for name in get_settings().extension_modules:
        import_module(name)


def template_folders() -> list[Path]:
    """The template folders that they bring."""
    found = []
    for name in get_settings().extension_modules:
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if (folder := Path(place) / "templates").is_dir():
                found.append(folder)
    return found
