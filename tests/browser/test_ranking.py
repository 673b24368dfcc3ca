"""Rankings at the screen: by keyboard alone, on a phone, and as plain menus."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app import models as m
from app.annotation.ranking import RankingValue
from app.db import task_session
from tests import factories
from tests.asking import asking
from tests.browser.conftest import Server
from tests.browser.labelling import Work, labels, settled

LONG = "This is an answer of some length. It has a few sentences, so that it fills some lines of a column. " * 4


@pytest.fixture
def rank(server: Server, page: Page, sign_in: Callable[[Page, m.User], None]) -> Callable[..., Work]:
    """`rank(3, shown=4)`: so many rankings of four, and somebody to answer them."""

    def make(items: int = 1, shown: int = 4, **kind: object) -> Work:
        with task_session() as session:
            answer = asking({"ranking": {"share": 100, **kind}}, share=0, reasons=["Truer"])
            project = factories.project(session, answer=answer)
            user = factories.user(session, name="Ada")
            factories.member(session, project, user)
            for place in range(items):
                prompt = factories.prompt(session, project, f"Question {place}?")
                texts = [f"Answer number {n} to {place}. {LONG}" for n in range(shown)]
                responses = [factories.response(session, prompt, project.base_model, text=text) for text in texts]
                factories.item(
                    session, prompt, project.base_model, kind="ranking", responses=responses, rank=float(place)
                )
        sign_in(page, user)
        return Work(project.id, user, f"{server.url}/projects/{project.id}/label")

    return make


def saved(work: Work, count: int) -> list[m.Label]:
    found = labels(work)
    assert len(found) == count
    return found


def tiers(label: m.Label) -> object:
    assert isinstance(label.value, RankingValue)
    return label.value.tiers


def type_ranking(page: Page, keys: str) -> None:
    """By keys, and wait for what comes next."""
    before = page.locator("#screen").get_attribute("data-assignment")
    settled(page)
    for key in keys.split():
        page.keyboard.press(key)
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()


def look(page: Page, name: str) -> None:
    """A picture for whoever asks for one."""
    if folder := os.environ.get("HONE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_thirty_rankings_by_keyboard_alone(page: Page, rank: Callable[..., Work]) -> None:
    here = rank(30)
    page.goto(here.address)
    for n in range(30):
        type_ranking(page, ("3 1 4 2 Enter", "1 2 0 3 4 Enter", "2 1 Backspace 4 1 3 Enter")[n % 3])
    expect(page.get_by_text("All done for now")).to_be_visible()
    found = saved(here, 30)
    assert [tiers(label) for label in found[:3]] == [
        ((2,), (0,), (3,), (1,)), ((0,), (1, 2), (3,)), ((1,), (3,), (0,), (2,)),
    ]  # fmt: skip
    with task_session() as session:
        ids = [label.id for label in found]
        assert len(session.scalars(select(m.Preference).where(m.Preference.label_id.in_(ids))).all()) == 180


def test_what_is_missing_is_said_and_undo_brings_it_back(page: Page, rank: Callable[..., Work]) -> None:
    here = rank(2)
    page.goto(here.address)
    settled(page)
    for key in ("2", "2", "1", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#line")).to_have_text("Give every answer a place: press its number, best first.")
    expect(page.locator(".pick[aria-pressed=true]")).to_have_count(2)
    expect(page.locator("#ranked")).to_have_text("Best first: 2, then 1")
    type_ranking(page, "0 3 4 Enter")
    assert tiers(saved(here, 1)[0]) == ((1,), (0, 2), (3,))
    settled(page)
    page.keyboard.press("u")
    expect(page.get_by_text("Another answer replaces yours")).to_be_visible()
    expect(page.locator("#ranked")).to_have_text("Best first: 2, then 1 equal to 3, then 4")
    settled(page)
    for key in ("Backspace", "Backspace", "4", "3"):
        page.keyboard.press(key)
    type_ranking(page, "Enter")
    new = saved(here, 2)[1]
    assert tiers(new) == ((1,), (0,), (3,), (2,))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "shown"), [(320, 4), (390, 4), (390, 8), (1024, 4), (1440, 3), (1440, 4), (1440, 7)])
def test_it_fits_every_screen(
    page: Page,
    rank: Callable[..., Work],
    width: int,
    shown: int,
    scheme: str,
    serious_faults: Callable[[Page], list[str]],
) -> None:
    here = rank(1, shown)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 844 if width < 500 else 900})
    page.goto(here.address)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    expect(page.locator(".placed select").first).to_be_hidden()
    for button in page.locator(".pick").all():
        expect(button).to_be_in_viewport()
    one_at_a_time = width < 960 or shown > 4
    expect(page.locator(".answer:visible")).to_have_count(1 if one_at_a_time else shown)
    if one_at_a_time:
        page.keyboard.press("ArrowRight")
        expect(page.locator(".answer:visible h2")).to_have_text("Answer 2")
        page.locator("#answer-tabs button").last.click()
        expect(page.locator(".answer:visible h2")).to_have_text(f"Answer {shown}")
    assert serious_faults(page) == []
    for number in range(1, shown):
        page.locator(f"[data-pick='{number}']").click()
        if number == 2:
            page.locator("[data-tie]").click()
    look(page, f"ranking-{shown}-{width}-{scheme}")
    assert serious_faults(page) == []
    page.locator(f"[data-pick='{shown}']").click()
    page.locator("[data-submit]").click()
    expect(page.get_by_text("All done for now")).to_be_visible()
    expected = [[0], [1, 2], *([n] for n in range(3, shown))]
    assert tiers(saved(here, 1)[0]) == tuple(map(tuple, expected))


def test_with_reduced_motion_no_colour_is_on_its_way(page: Page, rank: Callable[..., Work]) -> None:
    """A transition of no length still shows its beginning until the next frame: new text on the old ground."""
    here = rank(1, 4)
    page.emulate_media(reduced_motion="reduce")
    page.goto(here.address)
    settled(page)
    page.locator("[data-pick='1']").click()
    grounds = page.evaluate(
        """async () => {
            const equal = document.querySelector("[data-tie]");
            const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            const ground = () => getComputedStyle(equal).backgroundColor;
            const seen = [ground()];
            for (let time = 0; time < 2; time++) {
                equal.click();
                seen.push(ground());
                await frame();
                seen.push(ground());
            }
            return seen;
        }"""
    )
    plain, pressed, still_pressed, back, still_back = grounds
    assert plain == back == still_back
    assert pressed == still_pressed != plain


def test_without_a_script_there_are_menus(
    browser: Browser, page: Page, rank: Callable[..., Work], serious_faults: Callable[[Page], list[str]]
) -> None:
    here = rank(1, 5)
    context = browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(here.address)
    for number, place in enumerate("41235", start=1):
        plain.select_option(f"#place-{number}", place)
    look(plain, "ranking-plain")
    plain.get_by_role("button", name="Send ranking").click()
    expect(plain.get_by_text("All done for now")).to_be_visible()
    context.close()
    assert tiers(saved(here, 1)[0]) == ((1,), (2,), (3,), (0,), (4,))
