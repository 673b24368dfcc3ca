"""Modules outside this tree that add kinds of items, methods or sources: named in HONE_EXTENSIONS, and imported by the
web server and the worker as they start. Each calls the `register` of what it adds to; a folder `templates` beside a
package's modules is looked through for templates."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from app.settings import get_settings

BUILT_IN = (  # methods that come with Hone, which register like the others
    "app.rewards.method",
    "app.policies.sft",
    "app.policies.dpo",
    "app.policies.ppo",
    "app.policies.rloo",
    "app.policies.grpo",
)


class ExtensionError(RuntimeError):
    """A module that HONE_EXTENSIONS names cannot be imported."""


def load() -> None:
    """Import what comes with Hone, then them all; again does nothing. Raises ExtensionError with a sentence."""
    for name in BUILT_IN:
        import_module(name)
    for name in get_settings().extension_modules:
        try:
            import_module(name)
        except Exception as error:
            raise ExtensionError(
                f"HONE_EXTENSIONS names {name}, which cannot be imported ({type(error).__name__}: {error}). "
                "Install it beside Hone, or take it out of the setting."
            ) from error


def template_folders() -> list[Path]:
    """The template folders that they bring."""
    found = []
    for name in get_settings().extension_modules:
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if (folder := Path(place) / "templates").is_dir():
                found.append(folder)
    return found
