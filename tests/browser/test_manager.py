"""The manager's pages in a real browser: live curves and panels, comparison, promotion, what a screen reader meets."""

import statistics
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.db import task_session
from app.models import Model, ModelKind, Project, Role, Run, RunState, User
from app.runs import work as run_work
from app.runs.live import INTERVAL, live
from app.settings import get_settings
from app.web import events
from tests import factories
from tests.browser.conftest import Server
from tests.browser.dashboards import Dashboards

SignIn = Callable[..., None]
Faults = Callable[[Page], list[str]]
DASHBOARDS = 50


@pytest.fixture
def world(database: str) -> dict[str, int]:
    """A manager, a project with usable models, and a PPO run that a worker has claimed."""
    with task_session() as session:
        manager = factories.user(session, name="Mira Vogel")
        project = factories.project(session, name="Helpful answers")
        factories.member(session, project, manager, Role.MANAGER)
        factories.prompt(session, project)
        reward = factories.model(session, project, kind=ModelKind.REWARD, name="Reward model 1")
        policy = factories.model(session, project, name="Policy 1", metrics={"kl": 2.0})
        for model in (project.base_model, policy, reward):
            folder = get_settings().store / str(model.artifact)
            folder.mkdir(parents=True)
            (folder / "config.json").write_text("{}")
        run = factories.training(session, project, "ppo", reward_model_id=reward.id)
        run_work.claim(session, run.id, "worker:1", "CPU, 2 cores")
        return {"user": manager.id, "project": project.id, "run": run.id, "policy": policy.id, "reward": reward.id}


def test_times_stay_local_when_the_page_follows_a_run(
    page: Page, server: Server, world: dict[str, int], sign_in: SignIn
) -> None:
    sign_in(page, person(world))
    page.goto(f"{server.url}/projects/{world['project']}/runs/{world['run']}")
    beat(world["run"], 1)
    expect(page.locator("[data-steps]")).to_be_visible()  # the first points and samples load the page again
    beat(world["run"], 2)
    expect(page.locator("#panel")).to_contain_text("2 of")
    assert page.locator("#panel time").count() > 1
    assert not [text for text in page.locator("#panel time").all_inner_texts() if "UTC" in text]


def test_the_log_of_a_running_job_moves(page: Page, server: Server, world: dict[str, int], sign_in: SignIn) -> None:
    with task_session() as session:
        session.get_one(Run, world["run"]).workspace = "attempt-1"
    log = get_settings().store / "runs" / str(world["run"]) / "attempt-1" / "log.txt"
    log.parent.mkdir(parents=True)
    sign_in(page, person(world))
    page.goto(f"{server.url}/projects/{world['project']}/runs/{world['run']}")
    shown = page.locator("#log-tail")
    expect(shown).to_contain_text("The log begins when a worker takes the run")
    log.write_text("begun\n" * 60 + "\r  0%|   | 0/24")
    expect(shown).to_contain_text("0/24")
    with log.open("a") as more:
        more.write("\r 50%|#  | 12/24")
    expect(shown).to_contain_text("12/24")
    expect(shown).not_to_contain_text(" 0/24")
    assert shown.evaluate("log => log.scrollTop + log.clientHeight >= log.scrollHeight - 4"), "it stays at its end"


def test_what_became_of_settings_is_said_beside_their_button(
    page: Page, server: Server, world: dict[str, int], sign_in: SignIn
) -> None:
    sign_in(page, person(world))
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{server.url}/projects/{world['project']}/settings")
    for section in ("queue", "answer", "sampling"):
        page.locator(f"#{section}").get_by_role("button", name="Save").click()
        said = page.locator(f"#{section}-saved .notice")
        expect(said).to_have_text("Nothing was changed.")
        expect(said).to_be_in_viewport()
        expect(page.locator(f"#{section}").get_by_role("button", name="Save")).to_be_in_viewport()
    expect(page.locator("#messages .notice")).to_have_count(0)


def test_the_only_manager_cannot_give_the_project_away_and_reads_why(
    page: Page, server: Server, world: dict[str, int], sign_in: SignIn
) -> None:
    sign_in(page, person(world))
    page.goto(f"{server.url}/projects/{world['project']}/people")
    off = page.locator("table").get_by_role("button", name="Make annotator")
    expect(off).to_be_disabled()
    expect(off).to_have_accessible_description(
        "A project needs at least one manager: make somebody else manager first."
    )
    with task_session() as session:
        factories.member(session, session.get_one(Project, world["project"]), factories.user(session), Role.MANAGER)
    page.reload()
    expect(page.locator("table").get_by_role("button", name="Make annotator").first).to_be_enabled()


def person(world: dict[str, int]) -> User:
    with task_session() as session:
        return session.get_one(User, world["user"])


def beat(run_id: int, step: int) -> None:
    with task_session() as session:
        claim = session.get_one(Run, run_id).claim
        assert claim
        sample = {"step": step, "prompt": [{"role": "user", "content": "Why?"}], "response": f"Said at {step}."}
        run_work.beat(
            session,
            run_id,
            claim,
            step=step,
            total_steps=20,
            unit="updates",
            steps_per_second=0.5,
            metrics=[("objective/scores", step, step / 10), ("objective/kl", step, step / 4)],
            samples=[sample],
        )


def finish(run_id: int) -> None:
    with task_session() as session:
        claim = session.get_one(Run, run_id).claim
        assert claim
        run_work.finish(session, run_id, claim, RunState.SUCCEEDED, summary={"kl": 1.0})


def test_a_running_ppo_shows_each_step_within_two_seconds_beside_fifty_other_dashboards(
    page: Page, server: Server, world: dict[str, int], sign_in: SignIn
) -> None:
    sign_in(page, person(world))
    beat(world["run"], 1)
    url = f"{server.url}/projects/{world['project']}/runs/{world['run']}"
    with task_session() as session:
        project, people = session.get_one(Project, world["project"]), [factories.user(session) for _ in range(10)]
        for each in people:
            factories.member(session, project, each, Role.MANAGER)
        tokens = [accounts.create_token(session, each, "dashboards", [Scope.READ])[1] for each in people]
    with Dashboards(f"{url}/events?after=1", tokens, DASHBOARDS) as others:
        _watch_three_steps(page, url, world, others)
    finish(world["run"])
    expect(page.get_by_text("succeeded").first).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_be_visible()
    page.get_by_label("At step").select_option("2")
    expect(page.get_by_text("Said at 2.")).to_be_visible()
    expect(page.get_by_text("Said at 4.")).to_be_hidden()


def test_a_page_whose_place_a_newer_one_took_goes_on_once_it_is_looked_at(
    page: Page, server: Server, world: dict[str, int], sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_OF_A_PERSON", 1)
    sign_in(page, person(world))
    url = f"{server.url}/projects/{world['project']}/runs/{world['run']}"
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    def streams() -> int:
        return sum("/events" in each for each in asked)

    beat(world["run"], 1)
    page.goto(url)
    expect(page.get_by_text("1 of 20 updates")).to_be_visible()
    newer = page.context.new_page()
    newer.goto(url)
    beat(world["run"], 2)
    expect(newer.get_by_text("2 of 20 updates")).to_be_visible()
    page.wait_for_timeout(4_000)  # a browser asks again after three seconds, unless it is told
    assert streams() == 1
    expect(page.get_by_text("1 of 20 updates")).to_be_visible()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("2 of 20 updates")).to_be_visible()
    assert streams() == 2
    newer.close()


def _watch_three_steps(page: Page, url: str, world: dict[str, int], others: Dashboards) -> None:
    page.goto(url)
    reward = page.locator(".chart", has_text="Reward").first
    expect(reward.locator("canvas")).to_be_visible()
    deadline = time.monotonic() + 20
    while others.open < DASHBOARDS:
        assert time.monotonic() < deadline, others.open
        time.sleep(0.05)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    delays: list[float] = []
    began, looks = time.monotonic(), live.looks
    for step in (2, 3, 4):
        beat(world["run"], step)
        written = time.monotonic()
        expect(reward.locator(".legend")).to_contain_text(f"{step / 10}")
        delays.append(time.monotonic() - written)
        expect(page.get_by_text(f"{step} of 20 updates")).to_be_visible()
        expect(page.get_by_text(f"Said at {step}.")).to_be_visible()
        while len(others.heard[step]) < DASHBOARDS and time.monotonic() < written + 2:
            time.sleep(0.02)
        assert len(others.heard[step]) == DASHBOARDS
        assert max(others.heard[step]) - written < 2
    assert {url.split("/runs/")[1].split("?")[0] for url in asked} == {f"{world['run']}/samples"}
    assert statistics.median(delays) < 2, delays
    assert len(asked) == 3  # the samples of each new step; all else comes by the one open stream, without polling
    assert others.requests == DASHBOARDS  # one for each page, once
    assert live.looks - looks <= (time.monotonic() - began) / INTERVAL + 2  # the database is looked at for all at once


def test_cancel_resume_and_promote_by_hand(
    page: Page, server: Server, world: dict[str, int], sign_in: SignIn, faults: list[str]
) -> None:
    sign_in(page, person(world))
    base = f"{server.url}/projects/{world['project']}"
    beat(world["run"], 1)
    page.goto(f"{base}/runs/{world['run']}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("stopping at its next step")).to_be_visible()
    with task_session() as session:
        run = session.get_one(Run, world["run"])
        assert run.state is RunState.CANCELLING
        assert run.claim
        run_work.finish(session, run.id, run.claim, RunState.CANCELLED)
    page.get_by_role("button", name="Resume").click()  # the page has followed the run
    expect(page.get_by_text("goes on from its last checkpoint")).to_be_visible()
    page.goto(f"{base}/policies/{world['policy']}")
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_text("has no blind evaluation against")).to_be_visible()
    faults.clear()  # the browser notes the 409 that asks once more
    page.get_by_role("button", name="Promote without evidence").click()
    expect(page.get_by_text("chat and sampling answer with it from now on")).to_be_visible()
    with task_session() as session:
        assert session.get_one(Project, world["project"]).policy_id == world["policy"]


def test_the_overview_follows_the_loop(page: Page, server: Server, world: dict[str, int], sign_in: SignIn) -> None:
    sign_in(page, person(world))
    page.goto(f"{server.url}/projects/{world['project']}")
    stage = page.locator(".stage").filter(has=page.get_by_role("link", name="Labels", exact=True))
    labels = stage.locator(".stat b")
    expect(labels).to_have_text("0")
    with task_session() as session:
        project = session.get_one(Project, world["project"])
        item = factories.item(session, factories.prompt(session, project), project.base_model, slots_left=0)
        factories.label(session, item, factories.user(session))
    expect(labels).to_have_text("1", timeout=6000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible_and_do_not_scroll_sideways(
    page: Page, server: Server, world: dict[str, int], sign_in: SignIn, scheme: str, serious_faults: Faults
) -> None:
    sign_in(page, person(world))
    with task_session() as session:
        session.get_one(Model, world["reward"]).metrics = {
            "pairs": 40,
            "eval_accuracy": 0.7,
            "eval_accuracy_low": 0.5,
            "eval_accuracy_high": 0.8,
        }
    beat(world["run"], 1)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    base = f"{server.url}/projects/{world['project']}"
    places = ["", "/runs", f"/runs/{world['run']}", f"/runs/compare?run={world['run']}", "/rewards"]
    for place in [*places, f"/rewards/{world['reward']}", "/policies", f"/policies/{world['policy']}", "/train/ppo"]:
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(base + place)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, place
        assert serious_faults(page) == [], place
