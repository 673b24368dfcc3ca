"""Two contenders run in turn on the same work, and the one line of JSON that says how they compare."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlhf.config import RunFailed

HERE = Path(__file__).resolve().parent


def data_file(name: str) -> str:
    """Where a file of preference data or prompts is: in the folder HONE_BENCH_DATA, else in the present one."""
    return str(Path(os.environ.get("HONE_BENCH_DATA", "")) / name)


def in_turn(ours: Callable[[int], float], peer: Callable[[int], float], runs: int) -> dict[str, Any]:
    """Call both with 0 … runs-1; each returns its rate (more is better). Who goes first alternates from run to run.

    The ratios are of neighbours in time, so a machine that slows down slows both.
    """
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    for run in range(runs):
        contenders = [("ours", ours), ("peer", peer)]
        for name, contender in contenders if run % 2 == 0 else reversed(contenders):
            rates[name].append(contender(run))
        ratio = rates["ours"][-1] / rates["peer"][-1]
        say(f"run {run + 1} of {runs}: ours {rates['ours'][-1]:.3f}, peer {rates['peer'][-1]:.3f}, ratio {ratio:.3f}")
    ratios = [one / other for one, other in zip(rates["ours"], rates["peer"], strict=True)]
    return {
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ours": round(statistics.median(rates["ours"]), 4),
        "peer": round(statistics.median(rates["peer"]), 4),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def best_split(batch: int, rate: Callable[[int], float]) -> int:
    """How many rows of a step the peer is to compute at once: the divisor of `batch` with the highest rate. One that it
    cannot do, since there is too little memory, is no candidate."""
    rates: dict[int, float] = {}
    for at_once in (size for size in range(1, batch + 1) if batch % size == 0):
        try:
            rates[at_once] = rate(at_once)
        except RunFailed as failed:
            say(f"  {at_once} at once: {failed}")
    say("the peer's rate by rows at once: " + ", ".join(f"{size}: {found:.3f}" for size, found in rates.items()))
    return max(rates, key=lambda size: rates[size])


def one_run(command: list[str], folder: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """One side, once, in a process of its own: it reads the file of `spec` and prints its figures as its last line."""
    file = folder / "spec.json"
    file.write_text(json.dumps(spec))
    done = subprocess.run([*command, str(file)], stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    if done.returncode:
        raise RunFailed(f"{' '.join(command)} ended with {done.returncode}; what it said is above")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def say(text: str) -> None:
    """Progress goes to stderr; stdout has the result alone."""
    print(text, file=sys.stderr, flush=True)


def report(result: dict[str, Any]) -> None:
    """The result as the last line."""
    print(json.dumps(result), flush=True)
