"""How numbers, times and sizes read on every page."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from pydantic import BaseModel

from app.web.markdown import to_html


def when(moment: datetime | None) -> Markup:
    """A `<time>` that reads as a date and minute in UTC; hone.js shows it in the reader's own zone."""
    if moment is None:
        return Markup("–")
    utc = moment.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(), f"{utc:%d %b %Y, %H:%M} UTC")


def ago(moment: datetime | None) -> Markup:
    """How long ago, with the exact time as its title."""
    if moment is None:
        return Markup("–")
    utc = moment.astimezone(UTC)
    seconds = (datetime.now(UTC) - utc).total_seconds()
    text = f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        utc.isoformat(), f"{utc:%d %b %Y, %H:%M} UTC", "just now" if abs(seconds) < 5 else text
    )


def span(seconds: float | None) -> str:
    """A duration: 42 s, 3 min, 1 h 20 min, 2 d 4 h."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600 and whole % 60:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 86400:
        minutes = whole % 3600 // 60
        return f"{whole // 3600} h {minutes} min" if minutes else f"{whole // 3600} h"
    hours = whole % 86400 // 3600
    return f"{whole // 86400} d {hours} h" if hours else f"{whole // 86400} d"


def count(number: float | None) -> str:
    """A whole number with thin thousands."""
    return "–" if number is None else f"{number:,.0f}".replace(",", "\u202f")


def percent(share: float | None, digits: int = 0) -> str:
    """A share of one as a percentage."""
    return "–" if share is None else f"{share:.{digits}%}"


def decimal(number: float | None, digits: int = 3) -> str:
    """A number with a fixed count of digits, or in powers of ten where it would read as zero."""
    if number is None:
        return "–"
    return f"{number:.1e}" if number and abs(number) < 0.5 * 10**-digits else f"{number:.{digits}f}"


def figure(number: float | None) -> str:
    """A metric: what was counted (episodes, tokens) as a whole number, what was measured with four digits."""
    if number is not None and abs(number) >= 2 and float(number).is_integer():
        return count(int(number))
    return decimal(number, 4)


def size(octets: float | None) -> str:
    """A file size."""
    if octets is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:.0f} {unit}" if unit in ("B", "kB") else f"{octets:.1f} {unit}"
        octets /= 1000
    return f"{octets:.1f} TB"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`3 labels`, `1 label`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def query(chosen: BaseModel, before: int | None = None) -> str:
    """The filter of a list as the query of an address; `before` asks for what comes after this page. Empty where
    nothing was chosen."""
    given = chosen.model_dump(mode="json", exclude_defaults=True, exclude={"before"})
    return "?" + urlencode(given | ({"before": before} if before else {})) if given or before else ""


FILTERS: Mapping[str, Callable[..., Any]] = {
    "when": when,
    "ago": ago,
    "span": span,
    "count": count,
    "percent": percent,
    "decimal": decimal,
    "figure": figure,
    "size": size,
    "plural": plural,
    "query": query,
    "markdown": to_html,
    "zip": lambda one, other: list(zip(one, other, strict=True)),
}
