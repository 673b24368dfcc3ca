"""Chat in a real browser: the answer appears as it is written, can be stopped, and is compared with a second one."""

import re
import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from app.models import TurnState, User
from tests.app.chat.conftest import Chat, chat, inference  # noqa: F401  fixtures
from tests.browser.conftest import Server
from tests.inference_server import InferenceServer

SignIn = Callable[[Page, User], None]


def test_talk_compare_share_delete(
    server: Server,
    page: Page,
    chat: Chat,  # noqa: F811
    sign_in: SignIn,
    serious_faults: Callable[[Page], list[str]],
) -> None:
    sign_in(page, chat.annotator)
    page.goto(f"{server.url}{chat.url}")
    assert serious_faults(page) == []
    page.get_by_label("Your message").fill("Hello <img src=x onerror=alert(1)>")
    page.get_by_label("Your message").press("Enter")
    expect(page.locator(".said")).to_have_text("Hello <img src=x onerror=alert(1)>")
    expect(page.locator("[data-chat-answer]")).to_have_text(re.compile(r"\w"), timeout=30_000)
    assert re.search(r"/chat/\d+$", page.url)
    expect(page.locator(".chat-history a[aria-current]")).to_contain_text("Hello <img")
    expect(page.get_by_label("Your message")).to_be_focused()
    page.get_by_role("button", name="Regenerate").click()
    expect(page.get_by_text("Which answer is better?")).to_be_visible(timeout=30_000)
    assert serious_faults(page) == []
    expect(page.locator(".two-answers")).not_to_contain_text("tiny base")  # who wrote which is told afterwards
    page.get_by_role("button", name="The first is better").click()
    expect(page.get_by_text("Which answer is better?")).to_be_hidden()
    assert chat.comparisons()[0].choice == "first"
    expect(page.locator(".answered .by").first).to_contain_text("tiny base")
    page.get_by_role("button", name="A good answer").click()
    expect(page.get_by_role("button", name="A good answer")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Share my prompts").click()  # it is there at once, without a reload
    expect(page.locator("form.sharing .badge.ok")).to_be_visible()
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_text("turns: 3")).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_role("button", name="Delete conversation").click()
    expect(page.get_by_text("The conversation was deleted.")).to_be_visible()
    assert chat.turns() == []


def test_stop_keeps_what_there_is_and_frees_the_server(
    server: Server,
    page: Page,
    chat: Chat,  # noqa: F811
    inference: InferenceServer,  # noqa: F811
    sign_in: SignIn,
) -> None:
    chat.never_end()
    sign_in(page, chat.annotator)
    page.goto(f"{server.url}{chat.url}")
    page.get_by_label("Your message").fill("Go on and on")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-writing]")).to_have_text(re.compile(r"\w"), timeout=30_000)
    began = time.monotonic()
    page.get_by_role("button", name="Stop").click()
    while inference.answers:
        assert time.monotonic() - began < 20
        time.sleep(0.02)
    expect(page.locator("[data-chat-answer]")).to_have_text(re.compile(r"\w"))
    expect(page.locator(".answered .by")).to_contain_text("stopped")
    stopped = chat.turns()[-1]
    assert stopped.state is TurnState.STOPPED
    assert stopped.content.strip()
    assert stopped.model_id == chat.base_id


def test_an_answer_goes_on_when_the_page_is_closed_and_streams_on_when_it_is_opened_again(
    server: Server,
    page: Page,
    chat: Chat,  # noqa: F811
    inference: InferenceServer,  # noqa: F811
    sign_in: SignIn,
) -> None:
    chat.never_end()
    sign_in(page, chat.annotator)
    page.goto(f"{server.url}{chat.url}")
    page.get_by_label("Your message").fill("Go on and on")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-writing]")).to_have_text(re.compile(r"\w"), timeout=30_000)
    address = page.url
    page.goto(f"{server.url}/projects/{chat.project_id}/guidelines")
    left = len(chat.turns()[-1].content)
    deadline = time.monotonic() + 30
    while len(chat.turns()[-1].content) <= left:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert chat.turns()[-1].state is TurnState.STREAMING
    page.goto(address)
    expect(page.locator("[data-writing] .plain")).to_have_text(re.compile(r"\w"))
    seen = len(page.locator("[data-writing] .plain").inner_text())
    while len(page.locator("[data-writing] .plain").inner_text()) <= seen:
        assert time.monotonic() < deadline + 30
        page.wait_for_timeout(100)
    composer = page.locator("#composer").bounding_box()
    assert composer is not None
    assert composer["y"] + composer["height"] <= 900  # in sight, however long the answer is
    page.keyboard.press("Escape")
    expect(page.locator(".answered .by")).to_contain_text("stopped")
    deadline = time.monotonic() + 20
    while inference.answers:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_too_much_text_is_said_and_kept(
    server: Server,
    page: Page,
    chat: Chat,  # noqa: F811
    sign_in: SignIn,
    faults: list[str],
) -> None:
    sign_in(page, chat.annotator)
    page.goto(f"{server.url}{chat.url}")
    page.get_by_label("Your message").fill("x" * 100_000)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#composer-error")).to_contain_text("Your message has 100,000 characters")
    assert len(page.get_by_label("Your message").input_value()) == 100_000
    assert [fault for fault in faults if "413" in fault] == faults  # the browser's own note of the refusal
    faults.clear()
