"""Which version this is."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

DISTRIBUTION = "hone-rlhf"


def version() -> str:
    """The installed distribution's version."""
    try:
        return installed(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown (not installed)"
