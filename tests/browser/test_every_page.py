"""Every page of a filled platform and of an empty project is there, fits a phone, and is accessible."""

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page

from app.db import task_session
from app.models import User
from tests.browser.conftest import Server
from tests.browser.filled import fill


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
            if page.evaluate("document.documentElement.scrollWidth") > 390:
                wrong.append("it scrolls sideways")
            if wrong:
                found[place] = wrong
    assert found == {}
