"""Runs beside each other: settings in which they differ, best values, order; a run's story; how long one will take."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

import app.main  # noqa: F401  # which registers the methods
from app.methods import METHODS
from app.models import ModelKind, Project, Run, RunState, TrainingConfig
from app.runs import charts, comparing, differences, estimate, figures, folders, readable_log, story, training
from app.web.errors import Invalid
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]
BEGUN = datetime(2026, 11, 1, tzinfo=UTC)


def ended(session: Session, project: Project, method: str, seconds: float, pairs: int = 0, **settings: Any) -> Run:
    over: dict[str, Any] = {"ended_at": BEGUN + timedelta(seconds=seconds), "started_at": BEGUN, "attempt": 1}
    if pairs:
        snapshot = factories.snapshot(session, project, train_pair_count=pairs, label_count=2 * pairs)
        over["snapshot_id"] = snapshot.id
    defaults = METHODS[method].form().config()
    config = TrainingConfig(settings=defaults.settings | settings, options=defaults.options)
    made: Run = factories.training(session, project, method, state=RunState.SUCCEEDED, config=config, **over)
    return made


def latest(session: Session, runs: list[Run]) -> dict[int, dict[str, Any]]:
    return {run.id: {row.name: row for row in figures.latest_metrics(session, run.id)} for run in runs}


def test_only_what_differs_is_told_by_its_title(session: Session) -> None:
    project = factories.project(session)
    one = ended(session, project, "reward", 10, num_train_epochs=3.0, heads=2)
    two = ended(session, project, "reward", 10, num_train_epochs=1.0, heads=2)
    assert [(each.title, each.values, each.default) for each in differences.between([one, two])] == [
        ("Epochs", ("3", "1"), "2")
    ]
    assert {each.name: each.values for each in differences.from_defaults(one)} == {
        "num_train_epochs": ("3",), "heads": ("2",),
    }  # fmt: skip
    other = ended(session, project, "ppo", 10)
    named = {each.name: each.values for each in differences.between([one, other])}
    assert named["total_episodes"] == ("–", "256")
    assert differences.between([one]) == []


def test_best_values_and_order_by_any_column(session: Session) -> None:
    project = factories.project(session)
    runs = [ended(session, project, "reward", seconds, num_train_epochs=epochs)
            for seconds, epochs in ((30, 2.0), (10, 10.0), (20, 9.0))]  # fmt: skip
    for run, losses in zip(runs, ((0.7, 0.4, 0.6), (0.5, 0.45), (0.9,)), strict=True):
        figures.add_metrics(session, run.id, [("eval_loss", step, value) for step, value in enumerate(losses)])
    figures.add_metrics(session, runs[0].id, [("eval_accuracy", 1, 0.8), ("lr", 1, 0.1)])
    found = latest(session, runs)

    def order(sort: str) -> list[int]:
        return [runs.index(line.run) for line in comparing.table(runs, found, sort).lines]

    table = comparing.table(runs, found)
    assert [column.title for column in table.columns] == [
        "Learned from", "Time", "Epochs", "Best holdout loss", "Best holdout accuracy",
    ]  # fmt: skip
    assert [line.cells[3] for line in table.lines] == ["0.4000", "0.4500", "0.9000"]
    assert [line.cells[4] for line in table.lines] == ["0.8000", "–", "–"]
    assert order("") == [0, 1, 2]
    assert order("time") == [1, 2, 0]
    assert order("s.num_train_epochs") == [0, 2, 1]  # as numbers: 2, 9, 10
    assert order("-m.eval_loss") == [2, 1, 0]
    assert order("m.eval_accuracy") == order("-m.eval_accuracy") == [0, 1, 2]  # unknown comes last either way
    [loss] = [column for column in table.columns if column.key == "m.eval_loss"]
    assert table.direction(loss) == "none"
    assert comparing.table(runs, found, "-m.eval_loss").direction(loss) == "descending"
    assert comparing.table(runs, found, "-m.eval_loss").next_sort(loss) == "m.eval_loss"
    with pytest.raises(Invalid, match="cannot be sorted by"):
        order("nonsense")


def test_a_metric_that_is_not_finite_is_no_best_value(session: Session) -> None:
    run = ended(session, factories.project(session), "reward", 10)
    figures.add_metrics(session, run.id, [("eval_accuracy", 1, float("inf")), ("eval_loss", 1, 1e300)])
    cells = comparing.table([run], latest(session, [run])).lines[0].cells
    assert cells[-1] == "–"


def test_the_page_of_runs_beside_each_other(as_: As, cast: Cast, session: Session) -> None:
    one = ended(session, cast.project, "reward", 10, num_train_epochs=3.0)
    two = ended(session, cast.project, "reward", 20, num_train_epochs=1.0)
    base = f"/projects/{cast.project.id}/runs/compare?run={one.id}&run={two.id}"
    page = as_("manager").get(f"{base}&sort=-time")
    assert 'aria-sort="descending"' in page.text
    body = page.text.split("<tbody>")[1]
    assert body.index(f"Reward training {two.id}") < body.index(f"Reward training {one.id}")
    assert as_("manager").get(f"{base}&sort=nonsense").status_code == 422
    assert as_("manager").get(f"{base}&sort={'x' * 20_000}").status_code == 422


def test_no_two_of_eight_runs_have_one_colour() -> None:
    ids = [3, 15, 27, 4, 39, 51, 5, 63]
    found = charts.colours(ids)
    assert len(set(found)) == 8
    assert found[0] == 3
    assert charts.colours([15]) == [3]


def test_the_story_says_what_was_done_changed_reached_and_what_is_next(as_: As, cast: Cast, session: Session) -> None:
    run = ended(session, cast.project, "reward", 10, pairs=350, num_train_epochs=3.0)
    run.summary = {"eval_accuracy": 0.714}
    model = factories.model(session, cast.project, kind=ModelKind.REWARD, run_id=run.id)
    told = story.tell(run, [model])
    assert told
    assert told.sentences[0].endswith("on 700 labels: 350 pairs to learn from and 0 to measure on.")
    assert told.sentences[1:] == ["Changed settings: Epochs 3 (default 2).", "It reached 71% on holdout."]
    assert told.then
    assert told.then[0] == f"/projects/{cast.project.id}/rewards/{model.id}"
    page = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}").text
    assert "Changed settings: Epochs 3 (default 2)." in page
    failed = factories.training(session, cast.project, "ppo", state=RunState.FAILED)
    sentences = story.tell(failed, [])
    assert sentences
    assert sentences.sentences[-1].startswith("It failed.")
    assert story.tell(factories.run(session, cast.project), []) is None


def test_the_time_is_judged_by_earlier_runs_or_said_to_be_unknown(session: Session) -> None:
    project, reward, ppo = factories.project(session), METHODS["reward"], METHODS["ppo"]
    unknown = estimate.of(session, project, reward, {})
    assert unknown.seconds is None
    why = "it is judged by earlier runs of Reward training, and none has succeeded here."
    assert unknown.words == f"Time not known yet: {why}"
    for seconds in (100, 200, 900):  # 1, 2 and 9 seconds for a pair and epoch
        ended(session, project, "reward", seconds, pairs=50, num_train_epochs=2.0)
    assert estimate.of(session, project, reward, {"num_train_epochs": "4"}).seconds == 2 * 4 * 50
    assert estimate.of(session, project, reward, {"max_steps": 3, "train_batch_size": 10}).seconds == 2 * 30
    for odd in ("", "x", "nan", "-1", "9" * 400, None):
        assert estimate.of(session, project, reward, {"num_train_epochs": odd}).seconds is None
    ended(session, project, "ppo", 512)
    assert estimate.of(session, project, ppo, {"total_episodes": 64}).seconds == 128
    assert "1 earlier run of this project" in estimate.of(session, project, ppo, {}).words
    beside = factories.project(session, base_model_id=project.base_model_id)
    assert "of other projects with this base model" in estimate.of(session, beside, ppo, {}).words


@pytest.mark.parametrize("method", [each for each in METHODS.values() if each.presets], ids=lambda each: each.name)
def test_presets_are_valid_and_every_field_has_help(method: Any) -> None:
    assert [preset.name for preset in method.presets] == ["quick", "balanced", "thorough"]
    for preset in method.presets:
        assert training.checked(method, preset.settings)
        assert preset.help.endswith(".")
    hidden = ("parent_id", "same_inputs")
    without = [name for name, field in method.form.model_fields.items() if not field.description and name not in hidden]
    assert without == []


def test_a_preset_fills_the_form(as_: As, cast: Cast, session: Session) -> None:
    ended(session, cast.project, "reward", 100, pairs=50)
    base = f"/projects/{cast.project.id}/train/reward"
    page = as_("manager").get(f"{base}?preset=thorough").text
    assert 'name="num_train_epochs" type="number" value="4.0"' in page or 'value="4.0"' in page
    assert "About 3 min 20 s." in page
    assert as_("manager").get(f"{base}?preset=nonsense").status_code == 422
    assert as_("manager").get(f"{base}/estimate?num_train_epochs=1").text.startswith("About 50 s.")
    assert as_("manager").get(f"{base}/estimate?num_train_epochs=x").text.startswith("Time not known yet")
    assert as_("manager").get(f"/projects/{cast.project.id}/train/nonsense/estimate").status_code == 404


def test_lines_of_a_log_are_found(as_: As, cast: Cast, session: Session) -> None:
    run = factories.training(session, cast.project, "ppo", state=RunState.RUNNING, workspace="attempt-1-ab")
    folder = folders.workspace(run)
    folder.mkdir(parents=True)
    broken = "a line that a kill cut off: \ud83d".encode(errors="surrogatepass")
    (folder / "log.txt").write_bytes(
        "begun\nWarning: <b>slow\n  5%|#  | 1/20\r 10%|## | 2/20\nשלום 👋\n".encode() + broken
    )
    assert readable_log.find(run, "warning") == [(2, "Warning: <b>slow")]
    base = f"/projects/{cast.project.id}/runs/{run.id}"
    page = as_("manager").get(f"{base}?find=WARNING").text
    assert "1 line with" in page
    assert "2  Warning: &lt;b&gt;slow" in page
    assert "0 lines with" in as_("manager").get(f"{base}?find=nothing").text
    assert "a line that a kill cut off" in as_("manager").get(f"{base}?find=kill").text
    assert as_("manager").get(f"{base}?find={'x' * 201}").status_code == 422
    sent = as_("manager").get(f"{base}/log")
    assert sent.headers["content-disposition"] == f'attachment; filename="run-{run.id}-log.txt"'
    assert "10%" in sent.text
    assert "5%|" not in sent.text


def test_steps_are_counted_in_a_unit_of_one() -> None:
    assert [charts.one_of(unit) for unit in ("batches", "updates", "steps")] == ["batch", "update", "step"]
