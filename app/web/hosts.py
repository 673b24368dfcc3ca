"""Which `Host` a server answers to. A name that somebody else points at this machine's address is refused: a page of
theirs would otherwise be of our own origin to the browser that reads it (DNS rebinding)."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared, not bound


def is_ours(host: str, names: Collection[str | None], *, any_figures: bool) -> bool:
    """Whether the header `host` names this machine: by one of `names`, or, with `any_figures`, by any address in
    figures, which nobody can point elsewhere."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    if name is None:
        return False
    if name in HERE or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return any_figures
