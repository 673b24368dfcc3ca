"""The pictures of docs/images/, which README and docs/screens.md show: `make screenshots`.

Of the platform that `filled.fill` writes, in Chromium, light and dark: what is on them is what the pages draw. Ages are
those of the rows, whose times are set back by fixed spans; days of the calendar are those of the day they were taken.
tests/test_screenshots.py holds their list to the documents.
"""

import base64
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from app.db import task_session
from tests.browser.conftest import Server
from tests.browser.filled import fill

IMAGES = Path(__file__).parents[2] / "docs/images"
SIZE = {"width": 1280, "height": 900}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SCREENS = {  # name -> who looks, and at what: a word of the address, and how far down the page
    "labelling": ("annotator", "/label", 0),
    "overview": ("manager", "", 0),
    "run": ("manager", "ppo", 0),
    "policy": ("manager", "policy", 0),
}
MOST_BYTES = 150_000


def names() -> list[str]:
    """The files that are written."""
    return sorted(f"{name}-{scheme}.webp" for name in SCREENS for scheme in SCHEMES)


def test_screenshots(browser: Browser, server: Server, sign_in: Callable[..., None]) -> None:
    """Take them."""
    folder = Path(os.environ["HONE_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    with task_session() as session:
        filled = fill(session)
    for name, (who, place, down) in SCREENS.items():
        for scheme in SCHEMES:
            with browser.new_context(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce") as context:
                page = context.new_page()
                sign_in(page, getattr(filled, who))
                page.goto(server.url + filled.shown.get(place, f"{filled.home}{place}"))
                page.evaluate("document.fonts.ready")
                page.wait_for_timeout(800)  # curves are drawn once their points have come
                page.evaluate(f"scrollTo(0, {down})")
                shot = context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 82})
                (folder / f"{name}-{scheme}.webp").write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    os.environ["HONE_SCREENSHOTS"] = str(IMAGES)
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", __file__]))
