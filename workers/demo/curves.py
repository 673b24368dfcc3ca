"""Line charts and intervals as SVG, drawn on the server so that the report needs no script and no other file."""

import math
from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 340, 170
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 24


def chart(steps: Sequence[float], values: Sequence[float]) -> Markup:
    """One curve with its axes; points that are no numbers are left out."""
    points = [(float(x), float(y)) for x, y in zip(steps, values, strict=True) if y is not None and math.isfinite(y)]
    if not points:
        return Markup("")
    x_low, x_high = points[0][0], max(points[-1][0], points[0][0] + 1)
    ticks = _ticks(min(y for _, y in points), max(y for _, y in points))
    y_low, y_high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> str:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return f"{across:.1f},{down:.1f}"

    parts = [Markup('<svg viewBox="0 0 {} {}" role="img">').format(WIDTH, HEIGHT)]
    for tick in ticks:
        down = place(x_low, tick).split(",")[1]
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(LEFT, WIDTH - RIGHT, down, down)
        )
        parts.append(
            Markup('<text class="y" x="{}" y="{}" dy="0.32em">{}</text>').format(LEFT - 6, down, _number(tick))
        )
    for x, anchor in ((x_low, "start"), (x_high, "end")):
        across = place(x, y_low).split(",")[0]
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(across, HEIGHT - 6, anchor, _number(x))
        )
    if len(points) == 1:
        across, down = place(*points[0]).split(",")
        parts.append(Markup('<circle cx="{}" cy="{}" r="3"/>').format(across, down))
    else:
        parts.append(Markup('<polyline points="{}"/>').format(" ".join(place(x, y) for x, y in points)))
    return Markup("").join([*parts, Markup("</svg>")])


def interval(value: float, low: float, high: float, mark: float = 0.5) -> Markup:
    """A share between 0 and 1 with its interval, and a line at `mark`."""

    def place(share: float) -> str:
        return f"{10 + share * 480:.1f}"

    return Markup(
        '<svg class="interval" viewBox="0 0 500 46" role="img"><line class="axis" x1="10" x2="490" y1="20" y2="20"/>'
        '<line class="mark" x1="{m}" x2="{m}" y1="6" y2="34"/><line class="range" x1="{a}" x2="{b}" y1="20" y2="20"/>'
        '<circle cx="{v}" cy="20" r="6"/><text x="10" y="44">0%</text><text x="{m}" y="44" '
        'text-anchor="middle">50%</text><text x="490" y="44" text-anchor="end">100%</text></svg>'
    ).format(m=place(mark), a=place(low), b=place(high), v=place(value))


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose the values, three to six of them."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [tick * step for tick in range(first, max(last, first + 1) + 1)]


def _number(value: float) -> str:
    return f"{value:.6g}" if abs(value) >= 1e-9 else "0"
