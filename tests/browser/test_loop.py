"""The whole loop in a real browser, on all the real processes of `hone up`, with a tiny model."""

import re

from playwright.sync_api import Page, expect

from tests.browser.labelling import settled
from tests.faults.platform import Platform


def test_the_loop_by_hand(platform: Platform, platform_page: Page) -> None:
    page = platform_page
    page.goto(platform.sign_in_link())
    page.get_by_role("button", name="Sign in").click()
    project = _create_project(page, platform)
    _label_by_keyboard(page, project)
    _train_reward_model(page, project)
    _train_policy(page, project)
    _promote(page, project)
    _chat(page, project)


def _create_project(page: Page, platform: Platform) -> str:
    page.goto(f"{platform.url}/projects/new")
    page.get_by_label("Name").fill("Loop by hand")
    page.get_by_role("button", name="Create project").click()
    page.wait_for_url(re.compile(r"/projects/\d+"))
    found = re.match(r"http://[^/]+/projects/\d+", page.url)
    assert found
    return found.group()


def _label_by_keyboard(page: Page, project: str) -> None:
    """The screen fills by itself once the model has answered; then one key a pair."""
    page.goto(f"{project}/label")
    lease = page.locator("#answer input[name=assignment_id]")
    expect(lease).to_have_count(1, timeout=90_000)
    for number in range(25):  # a fifth of the prompts are held out; without one there is nothing to measure on
        held = lease.input_value()
        settled(page)  # a key too soon after the last one is not taken for the new pair
        page.keyboard.press("1" if number % 2 else "2")
        expect(lease).not_to_have_value(held)
    page.goto(project)
    expect(page.locator("#loop")).to_contain_text("25")


def _train_reward_model(page: Page, project: str) -> None:
    page.goto(f"{project}/rewards")
    page.get_by_role("link", name="Train a reward model").click()
    page.get_by_label("Epochs", exact=True).fill("2")
    page.get_by_role("button", name="Train").click()
    _watch_it_end(page)
    page.goto(f"{project}/rewards")
    expect(page.get_by_role("link", name="Reward model 1")).to_be_visible()


def _train_policy(page: Page, project: str) -> None:
    page.goto(f"{project}/policies")
    page.get_by_role("link", name="Train a policy with PPO").click()
    page.get_by_label("Episodes").fill("16")
    page.get_by_label("Batch size").fill("8")
    page.get_by_label("Longest response").fill("8")
    page.get_by_role("button", name="Train").click()
    _watch_it_end(page)


def _watch_it_end(page: Page) -> None:
    """On the run's page, live: nothing is loaded again by hand."""
    page.wait_for_url(re.compile(r"/runs/\d+"))
    expect(page.locator("#panel .badge")).to_have_text("succeeded", timeout=120_000)


def _promote(page: Page, project: str) -> None:
    page.goto(f"{project}/policies")
    page.get_by_role("link", name="Policy 1").first.click()
    page.get_by_role("button", name="Promote").click()
    page.get_by_role("button", name="Promote without evidence").click()
    page.goto(f"{project}/policies")
    expect(page.get_by_role("region", name="Current policy")).to_contain_text("Policy 1")


def _chat(page: Page, project: str) -> None:
    page.goto(f"{project}/chat")
    expect(page.locator(".chat-head")).to_contain_text("Policy 1")
    page.get_by_label("Your message").fill("Say something short.")
    page.keyboard.press("Enter")
    expect(page.locator("[data-chat-answer]").first).to_have_text(re.compile(r"\S"), timeout=60_000)
    expect(page.locator("main")).to_contain_text("Policy 1")
