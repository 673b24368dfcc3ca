"""What the pages of reward models draw and say, worked out from their records."""

from collections.abc import Sequence

from app.models import Model
from app.models.documents import Agreement, ConfidenceBin, LengthGroup
from app.web.filters import count, percent, plural
from app.web.plots import Axes, Line, Plot, Point, Tick, steps


def learning_curve(models: Sequence[Model], ceiling: Agreement | None) -> Plot | None:
    """Holdout accuracy by the number of pairs, with how often two people agree; None for fewer than two models."""
    known = [
        (model.name, pairs, accuracy, (said.get("eval_accuracy_low") or 0.0, said.get("eval_accuracy_high") or 1.0))
        for model in models
        if (accuracy := (said := model.metrics).get("eval_accuracy")) and (pairs := said.get("pairs"))
    ]
    if len(known) < 2:
        return None
    most = max(pairs for _, pairs, _, _ in known)
    axes = Axes((0, most), (0.4, 1.0), left=60, right=620, top=20, bottom=230)
    height = axes.y(share) if ceiling and (share := ceiling["share"]) is not None else None
    return Plot(
        640,
        260,
        "Holdout accuracy of each reward model by the number of pairs it learned from; the table above has the figures",
        across=[Tick(axes.x(pairs), count(pairs)) for pairs in steps(0, most)],
        up=[Tick(axes.y(tenth / 10), percent(tenth / 10)) for tenth in range(4, 11)],
        left=50,
        right=630,
        reference=None if height is None else Line(50, height, 630, height),
        reference_text="people among each other",
        points=[
            Point(
                x := axes.x(pairs),
                axes.y(accuracy),
                f"{name}: {percent(accuracy, 1)} from {plural(pairs, 'pair')}",
                Line(x, axes.y(low), x, axes.y(high)),
            )
            for name, pairs, accuracy, (low, high) in known
        ],
    )


def calibration(bins: Sequence[ConfidenceBin]) -> Plot:
    """How often people agree, by how sure the model is; on the dashed line the two are equal."""
    axes = Axes((0.5, 1.0), (0.5, 1.0), left=52, right=302, top=15, bottom=265)
    tenths = [tenth / 10 for tenth in range(5, 11)]
    return Plot(
        320,
        300,
        "Calibration: the model's confidence against how often people agree; the table below has the figures",
        across=[Tick(axes.x(tenth), percent(tenth)) for tenth in tenths],
        up=[Tick(axes.y(tenth), percent(tenth)) for tenth in tenths],
        left=50,
        right=305,
        reference=Line(axes.left, axes.bottom, axes.right, axes.top),
        points=[
            Point(
                x := axes.x(bin["confidence"]),
                axes.y(accuracy),
                plural(bin["labels"], "label"),
                Line(x, axes.y(bin["low"]), x, axes.y(bin["high"])),
            )
            for bin in bins
            if (accuracy := bin["accuracy"]) is not None
        ],
        small=True,
    )


def longer_by(group: LengthGroup) -> str:
    """How many tokens longer the preferred response of this group is."""
    low, high = group["from"], group["to"]
    if low is None:
        return f"{high} or less"
    return f"{low} or more" if high is None else f"{low} to {high}"
