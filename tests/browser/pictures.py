"""Pictures of every page, to be looked at: `python -m tests.browser.pictures FOLDER [WORD ...]`.

Each page of a filled platform in Chromium, light and dark, from a small phone to 4K, as
FOLDER/<width>-<scheme>/<page>.png. Words keep the pages whose address contains one of them; widths and schemes among
them (390 dark) keep those. It also says which pages scroll sideways. No test runs it.
"""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from app.db import task_session
from tests.browser.conftest import Server
from tests.browser.filled import fill

SIZES = {320: 640, 390: 844, 1280: 720, 1440: 900, 2560: 1440}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


def test_pictures(browser: Browser, server: Server, sign_in: Callable[..., None]) -> None:
    """Take them."""
    folder, words = Path(os.environ["HONE_PICTURES"]), os.environ.get("HONE_PICTURES_OF", "").split()
    with task_session() as session:
        filled = fill(session)
    sizes = {width: height for width, height in SIZES.items() if str(width) in words} or SIZES
    schemes = [scheme for scheme in SCHEMES if scheme in words] or SCHEMES
    words = [word for word in words if word not in {*map(str, SIZES), *SCHEMES}]
    wide = []
    for width, height in sizes.items():
        for scheme in schemes:
            target = folder / f"{width}-{scheme}"
            target.mkdir(parents=True, exist_ok=True)
            for who, places in filled.places.items():
                with browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme) as context:
                    page = context.new_page()
                    if who != "nobody":
                        sign_in(page, getattr(filled, who))
                    for place in places:
                        if words and not any(word in place for word in words):
                            continue
                        page.goto(server.url + place)
                        page.wait_for_timeout(150)
                        name = re.sub(r"[^a-z0-9]+", "-", f"{who}{place}").strip("-")
                        page.screenshot(path=target / f"{name}.png", full_page=True)
                        if page.evaluate("document.documentElement.scrollWidth") > width:
                            wide.append(f"{width} {place}")
    print("Pages that scroll sideways:", *(sorted(set(wide)) or ["none"]), sep="\n  ")


if __name__ == "__main__":
    os.environ["HONE_PICTURES"] = sys.argv[1]
    os.environ["HONE_PICTURES_OF"] = " ".join(sys.argv[2:])
    sys.exit(pytest.main(["-q", "-s", "-p", "no:cacheprovider", "--timeout=0", __file__]))
