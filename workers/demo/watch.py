"""Waits for a run by asking the API for it."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from workers.demo.browser import Browser, PageProblem
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
            found = browser.json(f"/api/v1{run}")
            last = time.monotonic()
        except httpx.TransportError:  # the web process restarts
            if time.monotonic() - last > AWAY_SECONDS:
                raise PageProblem(f"The platform has not answered for {AWAY_SECONDS:.0f} s.") from None
            time.sleep(LOOK_SECONDS)
            continue
        _show(found, task)
        state = found["state"]
        if state == "cancelled" and not resumed:
            resumed = True
            browser.get(run).form("/resume").send()
        elif state in ("succeeded", "failed", "cancelled"):
            if state == "succeeded":
                task.done()
            return _ended(browser, run, found)
        time.sleep(LOOK_SECONDS)


def _show(found: dict[str, Any], task: Task) -> None:
    step, total, unit = found["step"], found["total_steps"], found["unit"] or "steps"
    task.share(step / total if total else 0.0, f"{step} of {total} {unit}" if total else "")


def _ended(browser: Browser, run: str, found: dict[str, Any]) -> Watched:
    project = run.rpartition("/runs/")[0]
    made = ""
    for kind in ("rewards", "policies") if found["kind"] == "training" else ():
        for model in browser.json(f"/api/v1{project}/{kind}")["items"]:
            if model["run_id"] == found["id"]:
                made = f"{project}/{kind}/{model['id']}"
    return Watched(
        title=f"Run {found['id']} ({found['method'] or found['kind']})",
        state=found["state"],
        error=found["error"] or "",
        summary=found["summary"] or {},
        made=made,
    )
