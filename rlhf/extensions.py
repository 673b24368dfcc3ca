"""Modules outside of the tree that add to the library: those that HONE_EXTENSIONS names, with commas between them."""

import importlib
import os

from rlhf.config import InputError

VARIABLE = "HONE_EXTENSIONS"


def load() -> None:
    """Import them, so that they can register what they bring. Raises InputError for one that cannot be imported."""
    for name in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever the module raises as it is read
            raise InputError(
                f"the extension {name} cannot be imported ({type(error).__name__}: {error}): "
                f"install it, mend it, or take it out of {VARIABLE}"
            ) from error
