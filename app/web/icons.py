"""Icons in pages: Lucide's strokes, in the colour and size of the text beside them. package.json says which."""

import re
from functools import lru_cache

from markupsafe import Markup

from app.resources import STATIC

_FOLDER = STATIC / "vendor/icons"
_STROKES = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


@lru_cache(maxsize=256)
def icon(name: str) -> Markup:
    """The drawing, which says nothing to those who hear the page: what has only an icon needs a label."""
    found = _STROKES.search((_FOLDER / f"{name}.svg").read_text())
    if found is None:
        raise ValueError(f"{name}.svg is no drawing")
    strokes = " ".join(found[1].split())
    return Markup(f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">{strokes}</svg>')  # noqa: S704  # from a package
