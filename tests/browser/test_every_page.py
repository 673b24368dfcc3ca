"""Every page of a filled platform and of an empty project is there, fits a phone, and is accessible: all that the
routes have."""

import re
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page
from sqlalchemy.orm import Session

from app.db import task_session
from app.main import app
from app.models import User
from app.web.guard import access_by_route
from tests.browser.conftest import Server
from tests.browser.filled import fill

NO_PAGES = re.compile(
    r"\.csv$|/(events|news|file|refused|log|points|samples|estimate|undo|metrics|healthz|livez|readyz)$|/label/guidelines$"
)
"""What a browser opens beside pages: files, streams, parts that a page asks for, what only leads on, and words for
machines."""


def test_every_route_that_shows_a_page_is_among_those_that_are_looked_at(session: Session) -> None:
    seen = {place.partition("?")[0] for places in fill(session).places.values() for place in places}
    routes = {path for method, path in access_by_route(app) if method == "GET" and not path.startswith("/api/")}
    pages = {path for path in routes if not NO_PAGES.search(path)}
    looks = [re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in sorted(pages)]
    assert len(looks) > 50
    assert [each.pattern for each in looks if not any(map(each.fullmatch, seen))] == []


EDGES = """() => [...document.querySelectorAll("main > .page > *"), document.querySelector("main h1")]
  .map((each) => each.getBoundingClientRect()).filter((box) => box.width > 1).map((box) => Math.round(box.left))"""
OWN_EDGE = re.compile(r"/sign-in|/invitations|/label$|/chat(/\d+)?$")
"""Pages with a column of their own: what is seen before anybody is signed in, the labelling screen, and chat."""


CUT = """() => [...document.querySelectorAll(".scroll")]
  .filter((each) => each.scrollWidth > each.clientWidth && !each.querySelector(".matrix"))
  .map((each) => each.getAttribute("aria-label") ?? each.className)"""
"""Tables that are wider than their place; who agrees with whom is as wide as there are people."""

CRAMPED = """() => {
  const rows = [...document.querySelectorAll(".table.cards tr:has(> td.mark)")];
  const covered = rows.filter((row) => {
    const box = row.querySelector("td.mark input").getBoundingClientRect();
    const text = document.createRange();
    text.selectNodeContents(row.children[1]);
    return [...text.getClientRects()].some((part) =>
      part.left < box.right && part.right > box.left && part.top < box.bottom && part.bottom > box.top);
  }).map((row) => `the box covers the text: ${row.children[1].textContent.trim()}`);
  const cut = [...document.querySelectorAll("select")]
    .filter((each) => {
      const style = getComputedStyle(each), pen = document.createElement("canvas").getContext("2d");
      pen.font = style.font;
      const beside = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight) + 16;
      const wraps = style.appearance === "base-select" && each.scrollHeight <= each.clientHeight;
      const room = each.clientWidth - beside, text = each.selectedOptions[0]?.text ?? "";
      return each.checkVisibility() && !wraps && pen.measureText(text).width > room;
    })
    .map((each) => `what is chosen is cut: ${each.name}`);
  const tools = [...document.querySelectorAll(".compare .tools > *")]
    .map((each) => Math.round(each.getBoundingClientRect().top));
  const crossed = [...document.querySelectorAll(".plot-svg")].filter((plot) => {
    const caption = plot.querySelector(".caption")?.getBoundingClientRect();
    const bottoms = [...plot.querySelectorAll(".across")].map((tick) => tick.getBoundingClientRect().bottom);
    return caption && Math.max(...bottoms) > caption.top + 3;
  }).map(() => "a plot's caption lies on its ticks");
  return [...covered, ...cut, ...crossed, ...(new Set(tools).size > 1 ? ["the tools take two rows"] : [])];
}"""
"""What a small phone has no room for."""


def test_every_page_has_one_left_edge(page: Page, server: Server, sign_in: Callable[[Page, User], None]) -> None:
    """Its heading, tables and forms begin where those of every other page do, whatever width they have. Its tables fit,
    and the navigation says where it is."""
    with task_session() as session:
        filled = fill(session)
    sign_in(page, filled.manager)
    wrong = []
    for width in (1280, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        found: dict[bool, dict[int, list[str]]] = {True: {}, False: {}}  # beside a project's navigation, and without
        for place in filled.places["manager"]:
            if not OWN_EDGE.search(place):
                page.goto(server.url + place)
                beside = page.locator(".side").count() == 1
                if beside and page.locator(".side [aria-current]").count() != 1:
                    wrong.append(f"no place in the navigation: {place}")
                if cut := page.evaluate(CUT):
                    wrong.append(f"at {width} pixels {cut} of {place}")
                for edge in set(page.evaluate(EDGES)):
                    found[beside].setdefault(edge, []).append(place)
        assert [len(edges) for edges in found.values()] == [1, 1], found
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_there_fits_a_phone_and_is_accessible(
    page: Page,
    server: Server,
    sign_in: Callable[[Page, User], None],
    serious_faults: Callable[[Page], list[str]],
    scheme: Literal["light", "dark"],
) -> None:
    with task_session() as session:
        filled = fill(session)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    found = {}
    for who, places in filled.places.items():
        page.context.clear_cookies()
        if who != "nobody":
            sign_in(page, getattr(filled, who))
        for place in places:
            answer = page.goto(server.url + place)
            wrong = serious_faults(page)
            if answer is None or answer.status != 200:
                wrong.append("it does not answer 200")
            for width in (320, 390):
                page.set_viewport_size({"width": width, "height": 844})
                if page.evaluate("document.documentElement.scrollWidth") > width:
                    wrong.append(f"it scrolls sideways at {width} pixels")
                if cut := page.evaluate(CUT):
                    wrong.append(f"at {width} pixels these tables are no cards: {cut}")
                wrong += [f"at {width} pixels {fault}" for fault in page.evaluate(CRAMPED)]
            if wrong:
                found[place] = wrong
    assert found == {}
