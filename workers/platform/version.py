"""Which version this is."""

from importlib.metadata import PackageNotFoundError, packages_distributions
from importlib.metadata import version as installed

_UNKNOWN = "unknown (not installed)"


def version() -> str:
    """The installed distribution's version, whatever its name."""
    for name in packages_distributions().get("hone_client", ()):
        try:
            return installed(name)
        except PackageNotFoundError:
            continue
    return _UNKNOWN
