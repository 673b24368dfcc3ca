"""Waits for a run by looking at its page, as a manager would."""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

import httpx

from workers.demo.browser import Browser, Page, PageProblem
from workers.demo.progress import Task

LOOK_SECONDS = 1.5
AWAY_SECONDS = 60.0


@dataclass(frozen=True)
class Watched:
    """A run that has ended."""

    title: str
    state: str
    error: str
    summary: dict[str, Any]
    made: str  # address of the model it made, blank where it made none


def watch(browser: Browser, run: str, task: Task) -> Watched:
    """Wait for the end of a run, showing its progress. One that was cancelled before is resumed, once."""
    resumed = False
    last = time.monotonic()
    while True:
        try:
            page = browser.get(run)
            last = time.monotonic()
        except httpx.TransportError:  # the web process restarts
            if time.monotonic() - last > AWAY_SECONDS:
                raise PageProblem(f"The platform has not answered for {AWAY_SECONDS:.0f} s.") from None
            time.sleep(LOOK_SECONDS)
            continue
        state = page.one("[data-state]").attributes.get("data-state") or ""
        task.share(_share(page), " ".join(page.one("#panel .number").text().split()))
        if state == "cancelled" and not resumed:
            resumed = True
            page.form("/resume").send()
        elif state in ("succeeded", "failed", "cancelled"):
            if state == "succeeded":
                task.done()
            return _ended(page, state)
        time.sleep(LOOK_SECONDS)


def _share(page: Page) -> float:
    bar = page.html.css_first("#panel progress")
    return float(bar.attributes.get("value") or 0) if bar is not None else 0.0


def _ended(page: Page, state: str) -> Watched:
    error = page.html.css_first("#panel .notice.bad")
    summary: dict[str, Any] = {}
    for fold in page.html.css("details.fold"):
        title = fold.css_first("summary")
        if title is not None and title.text(strip=True) == "Summary":
            summary = json.loads(fold.css("pre")[0].text())
    links = [node.attributes.get("href") or "" for node in page.html.css(".facts a")]
    made = [link for link in links if re.search(r"/(rewards|policies)/\d+$", link)]
    return Watched(
        title=page.one("main h1").text(strip=True),
        state=state,
        error=error.text(strip=True) if error is not None else "",
        summary=summary,
        made=made[-1] if made else "",
    )
