"""`make demo`: the whole loop on a real model, with simulated annotators, and a report.

Exit code 0 only where the loop closed: the reward model agrees with held-out choices, the new policy beats the base
model in a blind comparison with an interval above one half, its KL is inside the budget, and chat answers with it.
"""

import signal
import time
from types import FrameType

import httpx
from rich.console import Console
from rich.table import Table

from app.settings import Settings
from workers.demo import report, sizes
from workers.demo.browser import PageProblem
from workers.demo.platform import Memory, NoPlatform, addressed, platform, sign_in
from workers.demo.progress import Board
from workers.demo.stages import Demo, LoopOpen
from workers.demo.taste import DESCRIPTION, NOISE


def main() -> int:
    """Run the demo; its exit code."""
    console = Console(highlight=False)
    try:
        chosen = sizes.chosen()
    except ValueError as error:
        console.print(f"error: {error}")
        return 2
    signal.signal(signal.SIGTERM, _as_interrupt)
    settings = addressed()
    console.print(f"[bold]Hone demo[/] ({chosen.name}). The simulated annotators' taste: {DESCRIPTION}")
    try:
        return _run(chosen, settings, console)
    except (NoPlatform, PageProblem) as problem:
        console.print(f"error: {problem}")
        return 1
    except httpx.TransportError as error:
        console.print(f"error: The platform at {settings.base_url} stopped answering ({type(error).__name__}).")
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted. Run it again to go on from here.")
        return 130


def _run(chosen: sizes.Sizes, settings: Settings, console: Console) -> int:
    began = time.monotonic()
    memory = Memory(settings.data_dir, chosen.name)
    with platform(settings, chosen.base_model) as was_up:
        started = round(time.monotonic() - began, 1)
        console.print(f"The platform is {'up already' if was_up else 'up'} at {settings.base_url}.")
        with sign_in(settings) as manager:
            demo = Demo(chosen, manager, memory, Board(console), settings.base_url)
            problem = None
            try:
                demo.walk()
            except LoopOpen as error:
                problem = str(error)
            finally:
                for annotator in demo.annotators:
                    annotator.browser.close()
    seconds = {"start": started} | demo.report.pop("seconds")
    found = {
        "ok": problem is None,
        "problem": problem,
        "size": chosen.name,
        "model": chosen.base_model,
        "taste": DESCRIPTION,
        "taste_noise": NOISE,
        "annotators": f"{chosen.annotators} simulated",
        **demo.report,
        "seconds": seconds,
        "total_seconds": round(sum(seconds.values()), 1),
    }
    paths = report.write(settings.data_dir, found, demo.curves)
    memory.forget()
    _show(console, found)
    console.print("Report: " + " and ".join(str(path) for path in paths))
    if problem:
        console.print(f"[bold]The loop did not close.[/] {problem}")
    return 0 if found["ok"] else 1


def _show(console: Console, found: "dict[str, object]") -> None:
    table = Table(title="The loop, once", title_justify="left")
    table.add_column("What")
    table.add_column("Result", justify="right")
    for what, result in report.lines(found):
        table.add_row(what, result)
    console.print(table)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
