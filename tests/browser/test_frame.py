"""What every page shares, in a real browser: signing in, the theme, menus, copying, a session that changed."""

import re

import pytest
from playwright.sync_api import expect

from app.accounts import passwords
from app.db import task_session
from app.models import Invitation, Role
from tests import factories

PASSWORD = "correct horse battery"


@pytest.fixture
def people(database):
    """A project with a manager (who has a password) and an annotator; (manager, annotator, project id)."""
    with task_session() as session:
        project = factories.project(session, name="Poems and prose with quite a long name")
        manager = factories.user(
            session, name="Mary Somerville", email="mary@example.org", password_hash=passwords.hash_password(PASSWORD)
        )
        annotator = factories.user(session, name="Bob")
        factories.member(session, project, manager, Role.MANAGER)
        factories.member(session, project, annotator)
    return manager, annotator, project.id


def test_sign_in_by_form_and_out_by_the_menu(page, server, people, faults):
    page.goto(f"{server.url}/projects/{people[2]}/settings")
    expect(page).to_have_url(re.compile(r"/sign-in\?next=/projects/\d+/settings"))
    page.keyboard.type("mary@example.org")
    page.keyboard.press("Tab")
    page.keyboard.type("not it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Wrong e-mail or password")
    expect(page.get_by_label("E-mail")).to_have_value("mary@example.org")
    faults.clear()  # Chromium logs the 422
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    page.locator(".menu > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{server.url}/sign-in")


def test_a_chosen_theme_stays_and_system_is_followed_again(page, server, people, sign_in):
    page.emulate_media(color_scheme="light")
    sign_in(page, people[0])
    page.goto(server.url)

    def paper():
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    light = paper()
    page.locator(".menu > summary").click()
    page.get_by_role("button", name="Dark").click()
    dark = paper()
    assert dark != light
    page.goto(f"{server.url}/account")
    assert paper() == dark
    page.locator(".menu > summary").click()
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="System").click()
    assert paper() == light


def test_menu_and_shortcuts_by_keyboard(page, server, people, sign_in):
    sign_in(page, people[0])
    page.goto(server.url)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.locator(".menu > summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Account and API tokens")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Account and API tokens")).to_be_hidden()
    expect(page.locator(".menu > summary")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_an_invitation_is_copied_and_withdrawn_after_a_question(page, server, people, sign_in, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    manager, _, project_id = people
    sign_in(page, manager)
    page.goto(f"{server.url}/projects/{project_id}/people")
    page.get_by_label("For whom").fill("Grace")
    page.get_by_role("button", name="Create link").click()
    link = page.get_by_label("Link", exact=True).input_value()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.once("dialog", lambda question: question.dismiss())
    page.get_by_role("button", name="Remove Bob").click()
    expect(page.get_by_text("Bob").first).to_be_visible()
    page.once("dialog", lambda question: question.accept())
    page.get_by_role("button", name="Remove Bob").click()
    expect(page.get_by_text("Bob is no longer in the project.")).to_be_visible()
    page.get_by_role("button", name="Withdraw the invitation for Grace").click()
    expect(page.get_by_text("The invitation is withdrawn.")).to_be_visible()
    with task_session() as session:
        assert session.query(Invitation).one().revoked_at is not None


def test_guidelines_are_previewed_as_they_are_typed(page, server, people, sign_in):
    sign_in(page, people[0])
    page.goto(f"{server.url}/projects/{people[2]}/guidelines/edit")
    page.get_by_label("Text, in Markdown").fill("Prefer **short** answers <img src=https://evil.example/x.png>")
    expect(page.locator("#preview strong")).to_have_text("short")
    expect(page.locator("#preview img")).to_have_count(0)


def test_after_signing_in_again_elsewhere_the_next_try_works(page, server, people, sign_in, faults):
    """The page holds the old session's token: it gets a fresh one with the refusal, and loses nothing."""
    manager, _, project_id = people
    sign_in(page, manager)
    page.goto(f"{server.url}/projects/{project_id}/guidelines/edit")
    sign_in(page, manager)
    text = page.get_by_label("Text, in Markdown")
    text.fill("one *two*")
    expect(page.locator("#messages")).to_contain_text("out of date")
    faults.clear()  # Chromium logs the 403
    text.press_sequentially(" three")
    expect(page.locator("#preview em")).to_have_text("two")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The guidelines are saved.")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1440, "dark")])
def test_pages_fit_and_are_accessible(page, server, people, sign_in, serious_faults, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    manager, _, project_id = people
    page.goto(f"{server.url}/sign-in")
    assert serious_faults(page) == []
    sign_in(page, manager)
    base = f"/projects/{project_id}"
    for path in ("/", "/projects/new", "/account", "/api/docs", f"{base}/settings", f"{base}/people", f"{base}/audit"):
        page.goto(server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert serious_faults(page) == [], path
