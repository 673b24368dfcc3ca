"""The overview while people label, in a real browser: the curve moves within two seconds of a label."""

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app import models as m
from app.db import task_session
from tests import factories
from tests.browser.conftest import Server
from tests.workers.heads.world import World, begin, by_taste
from workers.heads.keeper import keep


@pytest.fixture
def world(server: Server) -> Iterator[World]:
    """Its head is kept, as by the process that leads."""
    made = begin()
    made.items(150, by_taste)
    made.items(30)
    stopping = threading.Event()
    keeper = threading.Thread(target=keep, args=(lambda: True, stopping))
    keeper.start()
    try:
        yield made
    finally:
        stopping.set()
        keeper.join(30)


def test_the_curve_moves_while_people_label(
    world: World,
    page: Page,
    server: Server,
    sign_in: Callable[[Page, m.User], Any],
    serious_faults: Callable[[Page], list[str]],
) -> None:
    with task_session() as session:
        manager = factories.user(session, is_admin=True)
    sign_in(page, manager)
    page.goto(f"{server.url}/projects/{world.project}")
    card = page.locator("#learning-card")
    expect(card).to_have_attribute("data-labels", "120")
    expect(card).to_contain_text("The queue asks first what the live head is least sure about.")
    expect(card.get_by_role("img")).to_have_attribute("aria-label", re.compile("Accuracy on held-out prompts: .* 120"))
    assert serious_faults(page) == []
    took = []
    for labels in range(121, 126):
        before = card.locator("polyline").get_attribute("points")
        world.items(1, by_taste, split=m.Split.TRAIN)
        began = time.monotonic()
        expect(card).to_have_attribute("data-labels", str(labels))
        took.append(time.monotonic() - began)
        assert card.locator("polyline").get_attribute("points") != before
    print(f"seconds from a label to the moved curve: {[round(each, 2) for each in took]}")
    assert sorted(took)[2] < 2.0
    if folder := os.environ.get("PICTURES"):
        for scheme in ("light", "dark"):
            for width in (1440, 390):
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": 900})
                page.screenshot(path=f"{folder}/learning-{scheme}-{width}.png", full_page=True)
