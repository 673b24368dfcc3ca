"""The curves of runs in a real browser: crosshair, log scale, smoothing, downloads, live points, odd values."""

import csv
import io
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from app.db import task_session
from app.models import Project, Role, Run, RunState, TrainingConfig, User
from app.runs import figures, work
from tests import factories
from tests.browser.conftest import Server

SignIn = Callable[[Page, User], None]


@pytest.fixture
def world(server: Server, page: Page, sign_in: SignIn) -> dict[str, int]:
    """A manager at two trainings of a reward model, the second of which still runs."""
    with task_session() as session:
        project = factories.project(session, name="Kinder answers")
        manager = factories.user(session, name="Mona")
        factories.member(session, project, manager, role=Role.MANAGER)
        made = {"project": project.id}
        for number, state in ((1, RunState.SUCCEEDED), (2, RunState.RUNNING)):
            run = factories.training(
                session, project, "reward", state=state, claim="token", attempt=1, unit="steps", step=50,
                config=TrainingConfig(settings={"learning_rate": number / 1000}),
            )  # fmt: skip
            curves = {
                "loss": lambda step, n=number: 0.7 * math.exp(-step / 40 / n) + 0.05 * math.sin(step * 7),
                "accuracy": lambda step, n=number: 0.5 + 0.4 * (1 - math.exp(-step / 30 / n)),
                "margin": lambda step, n=number: step / 50 * n - 0.5,
                "lr": lambda step, n=number: n * 1e-5 * (1 - step / 60),
                "epoch": lambda step, n=number: step / 25,
            }
            points = [(name, step, curve(step)) for name, curve in curves.items() for step in range(1, 51)]
            held = [("eval_loss", step, 0.72 * math.exp(-step / 50 / number)) for step in range(10, 51, 10)]
            figures.add_metrics(session, run.id, points + held)
            made[f"run{number}"] = run.id
    sign_in(page, manager)
    return made


def chart(page: Page, title: str) -> Locator:
    return page.locator(".chart").filter(has=page.locator("figcaption b", has_text=title)).first


def line(figure: Locator, name: str) -> Locator:
    return figure.get_by_role("button", name=name)


def seen(figure: Locator) -> FloatRect:
    """Where its lines are drawn, in sight of the mouse."""
    figure.scroll_into_view_if_needed()
    area = figure.locator(".u-over").bounding_box()
    assert area
    return area


def test_large_and_folded_with_names_units_and_help(page: Page, server: Server, world: dict[str, int]) -> None:
    page.goto(f"{server.url}/projects/{world['project']}/runs/{world['run1']}")
    loss = chart(page, "Loss")
    expect(loss.locator("canvas")).to_be_visible()
    expect(loss.locator("figcaption")).to_contain_text("nats")
    expect(line(loss, "Training loss")).to_be_visible()
    expect(line(loss, "Holdout loss")).to_contain_text("0.2649")  # 0.72 exp(-1)
    loss.get_by_text("About these curves").click()
    expect(loss).to_contain_text("On data that it does not learn from.")
    expect(chart(page, "Learning rate")).to_be_hidden()
    page.get_by_text("More curves").click()
    rate = chart(page, "Learning rate")
    expect(rate.locator("canvas")).to_be_visible()
    expect(line(rate, "Learning rate")).to_contain_text("1.67e-6")  # 1e-5 (1 - 50/60)
    dashes = loss.locator(".legend line")
    assert [dashes.nth(place).get_attribute("stroke-dasharray") for place in (0, 1)] == ["", "6 4"]


def test_one_crosshair_over_all_charts_by_mouse_and_by_key(page: Page, server: Server, world: dict[str, int]) -> None:
    page.goto(f"{server.url}/projects/{world['project']}/runs/{world['run1']}")
    loss, margin = chart(page, "Loss"), chart(page, "Margin")
    expect(line(margin, "Training margin")).to_contain_text("0.5")
    loss.locator(".plot").focus()
    page.keyboard.press("Home")
    expect(loss.locator(".at")).to_have_text("Step 1")
    expect(margin.locator(".at")).to_have_text("Step 1")
    expect(line(margin, "Training margin")).to_contain_text("-0.48")
    page.keyboard.press("ArrowRight")
    expect(margin.locator(".at")).to_have_text("Step 2")
    area = seen(margin)
    page.mouse.move(area["x"] + area["width"] - 1, area["y"] + 20)
    expect(loss.locator(".at")).to_have_text("Step 50")


def test_log_scale_enlarging_smoothing_and_hiding_a_line(page: Page, server: Server, world: dict[str, int]) -> None:
    page.goto(f"{server.url}/projects/{world['project']}/runs/{world['run1']}")
    margin = chart(page, "Margin")
    expect(margin.locator("canvas")).to_be_visible()
    scale = margin.get_by_role("button", name="Log scale")
    scale.click()
    expect(scale).to_have_attribute("aria-pressed", "true")
    expect(margin.locator(".note")).to_have_text("25 values at or below 0 have no place on a log scale.")
    scale.click()
    expect(margin.locator(".note")).to_have_text("")
    loss = chart(page, "Loss")
    before = loss.locator("canvas").bounding_box()
    loss.get_by_role("button", name="Enlarge").click()
    dialog = page.get_by_role("dialog", name="Loss")
    expect(dialog).to_be_visible()
    after = dialog.locator("canvas").bounding_box()
    assert before
    assert after
    assert after["width"] > 1.5 * before["width"]
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(loss.get_by_role("button", name="Enlarge")).to_be_focused()
    held = line(loss, "Training loss")
    plain = str(held.text_content())
    page.get_by_label("Smoothing").fill("0.9")
    expect(held).not_to_have_text(plain)
    page.get_by_label("Smoothing").fill("0")
    expect(held).to_have_text(plain)
    held.click()
    expect(held).to_have_attribute("aria-pressed", "false")


def test_csv_has_every_point_and_png_is_a_picture(page: Page, server: Server, world: dict[str, int]) -> None:
    page.goto(f"{server.url}/projects/{world['project']}/runs/compare?run={world['run1']}&run={world['run2']}")
    loss = chart(page, "Loss")
    expect(loss.locator("canvas")).to_be_visible()
    with page.expect_download() as kept:
        loss.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(kept.value.path()).read_text())))
    assert list(rows[0]) == ["run", "curve", "step", "value"]
    for run in ("run1", "run2"):
        own = [row for row in rows if row["run"] == str(world[run])]
        assert {name: sum(row["curve"] == name for row in own) for name in ("loss", "eval_loss")} == {
            "loss": 50, "eval_loss": 5,
        }  # fmt: skip
        assert len(own) == 55
    with page.expect_download() as kept:
        loss.get_by_role("button", name="PNG").click()
    assert kept.value.suggested_filename == "loss.png"
    assert Path(kept.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_run_has_its_colour_wherever_it_is_drawn(page: Page, server: Server, world: dict[str, int]) -> None:
    colours = []
    base = f"{server.url}/projects/{world['project']}/runs"
    both = f"run={world['run1']}&run={world['run2']}"
    for address in (f"{world['run2']}", f"compare?{both}", f"compare?run={world['run2']}"):
        page.goto(f"{base}/{address}")
        named = "Training margin" if "&" not in address else f"Reward training {world['run2']}"
        drawn = line(chart(page, "Margin"), named).locator("line")
        colours.append(drawn.get_attribute("stroke"))
    assert len(set(colours)) == 1
    page.goto(f"{base}/compare?{both}")
    other = line(chart(page, "Margin"), f"Reward training {world['run1']}").locator("line")
    assert other.get_attribute("stroke") != colours[0]


def test_new_points_move_the_lines_and_leave_a_chosen_range_alone(
    page: Page, server: Server, world: dict[str, int]
) -> None:
    page.goto(f"{server.url}/projects/{world['project']}/runs/{world['run2']}")
    margin = chart(page, "Margin")
    expect(line(margin, "Training margin")).to_contain_text("1.5")
    canvas = margin.locator("canvas").element_handle()
    with task_session() as session:
        work.beat(session, world["run2"], "token", step=51, metrics=[("margin", 51, 7.25), ("eval_margin", 51, 0.5)])
    expect(line(margin, "Training margin")).to_contain_text("7.25")
    expect(line(margin, "Holdout margin")).to_contain_text("0.5")  # a curve that the page had not seen yet
    canvas = margin.locator("canvas").element_handle()
    area = seen(margin)
    y = area["y"] + area["height"] / 2
    page.mouse.move(area["x"] + 0.2 * area["width"], y)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.5 * area["width"], y, steps=5)
    page.mouse.up()
    whole = margin.get_by_role("button", name="Whole range")
    expect(whole).to_be_visible()
    with task_session() as session:
        work.beat(session, world["run2"], "token", step=52, metrics=[("margin", 52, 8.5), ("eval_margin", 52, 0.625)])
    page.mouse.move(5, 5)
    expect(line(margin, "Training margin")).to_contain_text("8.5")
    expect(whole).to_be_visible()
    assert canvas.evaluate("node => node.isConnected")  # drawn further, not anew: nothing flickers
    whole.click()
    expect(whole).to_be_hidden()


ODD: list[dict[str, list[tuple[int, float]]]] = [
    {"loss": [(1, float("nan")), (2, float("inf")), (3, 0.5)]},
    {"loss": [(1, 0.5)]},
    {"loss": [(1, 1e300), (2, -1e300), (3, 5e-324), (4, 0.0)]},
    {"loss": [(2**31 - 1, 1.0), (1, 2.0)]},
    {"loss": [(1, float("nan"))]},
    {"\U0001f44b \u05e9\u05dc\u05d5\u05dd </script><b>": [(1, 1.0), (2, 2.0)]},
]


def test_odd_curves_break_nothing(page: Page, server: Server, world: dict[str, int]) -> None:
    with task_session() as session:
        project = session.get_one(Project, world["project"])
        runs = []
        for values in ODD:
            run = factories.training(session, project, "reward")
            figures.add_metrics(
                session, run.id, [(name, *point) for name, points in values.items() for point in points]
            )
            runs.append(run.id)
        waiting = factories.training(session, project, "reward").id
    for run_id, values in zip(runs, ODD, strict=True):
        page.goto(f"{server.url}/projects/{world['project']}/runs/{run_id}")
        if "loss" not in values:
            page.get_by_text("More curves").click()
        figure = page.locator(".chart:visible").first
        expect(figure.locator("canvas")).to_be_visible()
        for name in ("Log scale", "Enlarge", "Close", "Log scale"):
            figure.get_by_role("button", name=name).click()
        page.get_by_label("Smoothing").fill("0.5")
        expect(figure.locator("canvas")).to_be_visible()
    page.goto(f"{server.url}/projects/{world['project']}/runs/{waiting}")
    expect(page.get_by_text("Curves appear with the first step.")).to_be_visible()


def test_axe_finds_nothing_serious_in_both_themes(
    page: Page, server: Server, world: dict[str, int], serious_faults: Callable[[Page], list[str]]
) -> None:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for address in (f"{world['run1']}", f"compare?run={world['run1']}&run={world['run2']}"):
            page.goto(f"{server.url}/projects/{world['project']}/runs/{address}")
            expect(chart(page, "Loss").locator("canvas")).to_be_visible()
            page.get_by_text("More curves").click()
            expect(chart(page, "Learning rate").locator("canvas")).to_be_visible()
            assert serious_faults(page) == []


def test_the_time_follows_the_form_and_a_table_its_headings(page: Page, server: Server, world: dict[str, int]) -> None:
    with task_session() as session:
        for number, seconds in ((1, 100), (2, 300)):
            run = session.get_one(Run, world[f"run{number}"])
            snapshot = factories.snapshot(session, session.get_one(Project, world["project"]), train_pair_count=50)
            run.started_at = datetime(2026, 11, 1, tzinfo=UTC)
            run.ended_at = run.started_at + timedelta(seconds=seconds)
            run.snapshot_id = snapshot.id
            run.config = TrainingConfig(settings={"num_train_epochs": number * 1.0})
    base = f"{server.url}/projects/{world['project']}"
    page.goto(f"{base}/train/reward?preset=quick")
    expect(page.locator("#estimate")).to_contain_text("About 1 min 40 s.")
    page.get_by_label("Epochs", exact=True).fill("3")
    page.get_by_label("Epochs", exact=True).press("Tab")
    expect(page.locator("#estimate")).to_contain_text("About 5 min.")
    page.goto(f"{base}/runs/compare?run={world['run1']}&run={world['run2']}")
    heads = page.get_by_role("table").first.get_by_role("rowheader")
    expect(heads.first).to_contain_text(f"Reward training {world['run1']}")
    page.get_by_role("link", name="Epochs").click()
    page.get_by_role("link", name="Epochs").click()
    expect(heads.first).to_contain_text(f"Reward training {world['run2']}")


def test_a_cut_line_is_told_and_tried_again(
    page: Page, server: Server, world: dict[str, int], faults: list[str]
) -> None:
    page.route("**/points?*", lambda route: route.abort())
    page.goto(f"{server.url}/projects/{world['project']}/runs/{world['run1']}")
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    page.unroute("**/points?*")
    again.click()
    expect(chart(page, "Loss").locator("canvas")).to_be_visible()
    expect(again).to_have_count(0)
    faults.clear()  # the line was cut on purpose
