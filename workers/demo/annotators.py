"""Simulated annotators: they read both responses on the labelling page and choose by the stated rule of taste."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from workers.demo.browser import Browser, Page
from workers.demo.taste import choose

PATIENCE_SECONDS = 20.0


@dataclass
class Annotator:
    """One of them, with a browser and an account of its own."""

    name: str
    browser: Browser
    project: str  # the project's address
    rng: random.Random

    def label(self, page: Page) -> Page:
        """Label the pair on the page; the page with the next one."""
        left, right = (self._response_on(page, number) for number in (1, 2))
        choice = {"a": "left", "b": "right", "tie": "tie"}[choose(left, right, self.rng)]
        return page.form("/label").send(answer=choice)

    @staticmethod
    def _response_on(page: Page, number: int) -> tuple[str, bool]:
        node = page.one(f'[data-answer="{number}"]')
        return node.text(), node.attributes.get("data-finish") == "stop"


def label(annotators: Sequence[Annotator], wanted: int, done: Callable[[int], None]) -> int:
    """Have them label `wanted` pairs between them, all at once; how many they did, fewer where none are left.

    `done` is told of each label.
    """
    places = threading.Semaphore(wanted)
    lock = threading.Lock()
    count = 0

    def work(annotator: Annotator) -> None:
        nonlocal count
        waited = 0.0
        page = annotator.browser.get(f"{annotator.project}/label")
        while places.acquire(blocking=False):
            while not page.has("form#answer"):
                if waited > PATIENCE_SECONDS:
                    places.release()
                    return
                time.sleep(1)
                waited += 1
                page = annotator.browser.get(f"{annotator.project}/label")
            page, waited = annotator.label(page), 0.0
            with lock:
                count += 1
                done(1)

    with ThreadPoolExecutor(len(annotators)) as pool:
        for future in [pool.submit(work, annotator) for annotator in annotators]:
            future.result()
    return count
