"""What pages say of their charts, and how long curves are thinned."""

from sqlalchemy.orm import Session

from app.methods.metrics import METRICS, metric
from app.runs import figures
from app.web.charts import Chart, Curve, Panel, Source, finite, with_curves
from tests import factories


def test_a_panel_says_what_the_script_reads() -> None:
    curves = (Curve("a/b", "Ours", "One line."), Curve("c", "Theirs"))
    chart = Chart("Labels", curves, "labels a day")
    panel = Panel(
        (chart, Chart("Rest", curves[:1], folded=True)),
        (Source("7", "Ada", 13, points={"a/b": ([1, 2], [0.5, float("inf")])}), Source("8", "Bob", 2, url="/points")),
        x="Day",
        scale="time",
        csv="/all.csv?run=1",
    )
    assert [place for place, _ in panel.large] == [0]
    assert [place for place, _ in panel.folded] == [1]
    assert panel.csv_of(chart) == "/all.csv?run=1&curve=a%2Fb&curve=c"
    assert with_curves("/x", ["a"]) == "/x?curve=a"
    data = panel.data
    assert (data["x"], data["time"]) == ("Day", True)
    assert data["sources"] == [
        {"key": "7", "label": "Ada", "colour": 1, "url": None, "points": {"a/b": [[1, 2], [0.5, None]]}},
        {"key": "8", "label": "Bob", "colour": 2, "url": "/points"},
    ]
    assert data["charts"][0]["curves"][0] == {"name": "a/b", "label": "Ours", "help": "One line."}


def test_points_that_json_does_not_know_are_gaps() -> None:
    assert finite({"x": ([1, 2, 3], [float("nan"), None, 1e300])}) == {"x": [[1, 2, 3], [None, None, 1e300]]}


def test_every_metric_has_a_title_and_one_line_of_help() -> None:
    for name, known in METRICS.items():
        assert known.title
        assert known.help.endswith("."), name
        assert "\n" not in known.help
        assert len(known.help) <= 100, name
    assert metric("rewards/length").title == "Reward: length"
    assert metric("of an extension").title == "of an extension"


def test_no_peak_of_a_long_curve_is_lost(session: Session) -> None:
    run = factories.training(session, factories.project(session), "ppo")
    values = {step: float(step % 7) for step in range(1, 10_001)} | {4_321: 99.0, 8_765: -99.0}
    figures.add_metrics(session, run.id, [("long", step, value) for step, value in values.items()])
    figures.add_metrics(session, run.id, [("rare", 9_000, 1.0), ("other", 1, 1.0)])
    found = figures.points(session, run.id, names=["long", "rare"])
    long = {row.step: row.value for row in found if row.name == "long"}
    assert len(long) <= 1502
    assert long.items() <= values.items()
    assert (long[4_321], long[8_765], long[10_000]) == (99.0, -99.0, values[10_000])
    assert [(row.name, row.step) for row in found if row.name != "long"] == [("rare", 9_000)]
    assert figures.curve_names(session, run.id) == ["long", "other", "rare"]
    assert figures.points(session, run.id, names=[]) == []
