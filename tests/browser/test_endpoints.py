"""The pages of endpoints and of a project's sources, in a real browser: keyboard, phone, axe."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app import models as m
from app.db import task_session
from tests import factories
from tests.browser.conftest import Server

SHOTS = os.environ.get("SHOTS")  # a folder for pictures, where somebody wants to look at them

CHANGED = """async () => {
    await new Promise(requestAnimationFrame);
    await Promise.all(document.getAnimations().map((each) => each.finished));
}"""
"""Colours change over a moment."""


@pytest.fixture
def admin(database: str) -> m.User:
    with task_session() as session:
        return factories.user(session, name="Ada", is_admin=True)


def look(page: Page, name: str, serious_faults: Callable[[Page], list[str]]) -> None:
    """Wide and narrow, light and dark: nothing serious, nothing that scrolls sideways."""
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(CHANGED)
            assert serious_faults(page) == [], (name, width, scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            if SHOTS:
                page.screenshot(path=str(Path(SHOTS) / f"{name}-{width}-{scheme}.png"), full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})


def test_an_endpoint_is_registered_by_keyboard_and_says_what_is_wrong(
    page: Page, server: Server, admin: m.User, sign_in: Callable[..., None],
    serious_faults: Callable[[Page], list[str]], faults: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from app.settings import get_settings

    monkeypatch.setenv("HONE_INFERENCE_URL", "http://127.0.0.1:1/v1")  # where nobody is
    get_settings.cache_clear()
    sign_in(page, admin)
    page.goto(f"{server.url}/endpoints")
    look(page, "endpoints-none", serious_faults)
    page.get_by_label("Name").focus()
    page.keyboard.type("Rival")
    page.keyboard.press("Tab")
    page.keyboard.type("gpt-x")
    page.keyboard.press("Tab")
    page.keyboard.type("http://192.168.1.7/v1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("192.168.1.7 is not a public address")
    expect(page.get_by_label("Model", exact=True)).to_have_value("gpt-x")
    faults.clear()  # Chromium logs the 422
    look(page, "endpoints-wrong", serious_faults)
    page.get_by_label("Base URL").fill("https://api.example.com/v1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Rival", level=1)).to_be_visible()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("status").filter(has_text="It did not answer")).to_contain_text(
        "is starting or not running"
    )
    look(page, "endpoint", serious_faults)
    with task_session() as session:
        endpoint = session.query(m.Endpoint).one()
        endpoint.tokens_in, endpoint.tokens_out, endpoint.price_in, endpoint.tokens_estimated = (
            712_345,
            98_000,
            2.5,
            900,
        )
        endpoint.tried_well, endpoint.tried_said = True, "Hello there, how are you today?"
    page.goto(f"{server.url}/endpoints")
    look(page, "endpoints", serious_faults)
    page.get_by_role("link", name="Rival").click()
    look(page, "endpoint-used", serious_faults)


def test_a_manager_sets_two_models_against_each_other(
    page: Page, server: Server, admin: m.User, sign_in: Callable[..., None],
    serious_faults: Callable[[Page], list[str]], faults: list[str],
) -> None:  # fmt: skip
    with task_session() as session:
        project = factories.project(session)
        rival = factories.endpoint(session, name="Rival")
        manager = factories.user(session)
        factories.member(session, project, manager, m.Role.MANAGER)
    sign_in(page, manager)
    page.goto(f"{server.url}/projects/{project.id}/settings#plan")
    plan = page.locator("#plan")
    plan.get_by_label("Responses of model 1").fill("1")
    plan.get_by_label("Model 2", exact=True).select_option("Rival (endpoint)")
    plan.get_by_label("Responses of model 2").fill("9")
    plan.get_by_role("button", name="Save").press("Enter")
    if page.url.endswith("/plan"):  # the browser let it pass
        expect(page.get_by_role("alert")).to_contain_text("at most 8")
        faults.clear()
    plan.get_by_label("Responses of model 2").fill("3")
    plan.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(plan.get_by_label("Model 2", exact=True)).to_have_value(str(rival.id))
    look(page, "plan", serious_faults)
    if SHOTS:
        plan.screenshot(path=str(Path(SHOTS) / "plan.png"))
    with task_session() as session:
        sources = session.get_one(m.Project, project.id).plan.sources
        assert [(source.model_id, source.responses) for source in sources] == [(None, 1), (rival.id, 3)]
