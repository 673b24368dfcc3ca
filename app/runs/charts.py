"""The curves of runs as charts: which are read together, what they are called, whose colour they have."""

from collections.abc import Collection, Sequence

from app.methods import METHODS
from app.methods.metrics import metric
from app.models import Run, RunState
from app.runs import views
from app.web.charts import COLOURS, Chart, Curve, Panel, Source


def panel(project_id: int, runs: Sequence[Run], names: Collection[str]) -> Panel | None:
    """The charts of runs that have curves of these names between them; None where there is nothing to draw."""
    charts = charts_of(runs[0], names) if runs else ()
    if not charts:
        return None
    base = f"/projects/{project_id}/runs"
    chosen = "&".join(f"run={run.id}" for run in runs)
    return Panel(
        charts,
        tuple(
            Source(str(run.id), views.title(run), colour, f"{base}/{run.id}/points")
            for run, colour in zip(runs, colours([run.id for run in runs]), strict=True)
        ),
        x=one_of(runs[0].unit or "steps").capitalize(),
        csv=f"{base}/points.csv?{chosen}",
        waiting="Curves appear with the first step.",
    )


def one_of(unit: str) -> str:
    """What steps are counted in, of one: batch of batches, update of updates."""
    return unit.removesuffix("es" if unit.endswith("ches") else "s")


def colours(run_ids: Sequence[int]) -> list[int]:
    """A colour for each run: its own, which its number gives, or the next that none of those before it has."""
    taken: list[int] = []
    for run_id in run_ids:
        free = [each % COLOURS for each in range(run_id, run_id + COLOURS) if each % COLOURS not in taken]
        taken.append(free[0] if free else run_id % COLOURS)
    return taken


def charts_of(run: Run, names: Collection[str]) -> tuple[Chart, ...]:
    """The charts of a run: those of its method first, with what they may still get while it runs; then one for each
    other curve that it has, the bookkeeping last."""
    known = METHODS[run.method].charts if run.method in METHODS else ()
    coming = run.state in (RunState.QUEUED, RunState.RUNNING)
    found = [(chart, tuple(curve for curve in chart.curves if coming or curve in names)) for chart in known]
    grouped = {name for chart in known for name in chart.curves}
    others = sorted((name for name in names if name not in grouped), key=lambda name: (metric(name).folded, name))
    return (
        *(
            Chart(chart.title, tuple(map(_curve, curves)), metric(curves[0]).unit, chart.help, chart.folded)
            for chart, curves in found
            if curves
        ),
        *(Chart(metric(name).title, (_curve(name),), metric(name).unit, folded=True) for name in others),
    )


def _curve(name: str) -> Curve:
    known = metric(name)
    return Curve(name, known.title, known.help)
