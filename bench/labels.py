"""How many pairs a second annotators get through, ours beside Label Studio and Potato, and whether any label is lost.

    make bench-labels         # about 20 minutes: each contender with 4, 32 and 200 annotators, then the limit

A cycle is a pair fetched, shown and answered; its time is what one annotator waits for between two acknowledged
answers, with no thinking in between. Each annotator has a session of their own and goes through the routes that the
contender's page uses. Every contender stands on its own server on this machine, the load generator (wrk) beside it.
The limit is pgbench with our claim and our submission and nothing around them: with a client for each annotator, and
with no more clients than the application has statements at work, which is about the best that PostgreSQL does.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.async_db import CONNECTIONS
from bench.labels_contenders import CONTENDERS, Contender, Ours
from bench.labels_limit import alone, limit
from bench.pairs import report, say

LOAD = Path(__file__).with_name("labels_load.lua")
ANNOTATORS = (4, 32, 200)
LIMIT_SECONDS = 10  # of pgbench: it gets through the pairs quickly


@dataclass(frozen=True)
class Acknowledged:
    """One answer that the server said it had taken."""

    item: str
    seconds: float


def load(contender: Contender, annotators: int, seconds: int, folder: Path) -> list[Acknowledged]:
    """Answer for `seconds` with so many annotators at once, each on a connection of their own."""
    folder.mkdir()
    for number, headers in enumerate(contender.sessions(annotators), start=1):
        lines = "".join(f"{name}: {value}\n" for name, value in headers.items())
        (folder / f"{number}.headers").write_text(lines)
    ended = subprocess.run(
        [
            "wrk",
            *("--threads", str(annotators), "--connections", str(annotators), "--duration", f"{seconds}s"),
            *("--timeout", "60s", "--script", str(LOAD), contender.url, "--", contender.name, str(folder)),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    if found := re.search(r"Socket errors: connect ([1-9]\d*)", ended.stdout):
        sys.exit(f"{found.group(1)} of the {annotators} annotators could not connect.")
    for line in _lines(folder, "refused", 5):
        say(f"  {contender.name} answered unexpectedly: {line}")
    return [
        Acknowledged(item, float(waited))
        for item, waited in (line.split("\t") for line in _lines(folder, "acknowledged"))
    ]


def _lines(folder: Path, kind: str, most: int | None = None) -> list[str]:
    """The whole lines of every annotator's file; one that wrk's end cut short is left out."""
    found = [
        line.rstrip("\n")
        for file in sorted(folder.glob(f"*.{kind}"))
        for line in file.read_text(errors="replace").splitlines(keepends=True)
        if line.endswith("\n")
    ]
    return found[:most]


def measure(contender: Contender, annotators: int, seconds: int, folder: Path) -> dict[str, Any]:
    """One row of the result."""
    answers = load(contender, annotators, seconds, folder)
    stored = contender.stored()
    if len(stored) > 0.98 * contender.pairs:
        sys.exit(f"{contender.name} ran out of pairs: it needs more than {contender.pairs:,}.")
    people = Counter((row.pair, row.person) for row in stored)
    pairs = Counter(pair for pair, _ in people)
    centiles = statistics.quantiles([answer.seconds for answer in answers], n=100) if len(answers) > 1 else [0.0] * 99
    return {
        "cycles_per_s": round(len(answers) / seconds, 2),
        **{f"p{n}_ms": round(centiles[n - 1] * 1000, 1) for n in (50, 95, 99)},
        "labels": len(answers),
        "over_overlap": sum(count > 1 for count in pairs.values()),
        "lost": len({answer.item for answer in answers} - {row.item for row in stored}),
        "doubled": sum(count - 1 for count in people.values()),
    }


def limits(ours: Ours, counts: Sequence[int]) -> dict[str, dict[str, float]]:
    """What pgbench does of our cycle, by the number of annotators."""
    at_work = ours.processes * CONNECTIONS
    found: dict[str, dict[str, float]] = {"limit": {}, f"limit_with_{at_work}": {}}
    with alone(ours.data, max(counts)) as database:
        for annotators in counts:
            for name, clients in zip(found, (annotators, min(annotators, at_work)), strict=True):
                found[name][str(annotators)] = limit(database, clients, LIMIT_SECONDS)
                say(f"pgbench, {annotators} annotators, {clients} clients: {found[name][str(annotators)]} cycles/s")
    return found


def table(rows: Iterable[tuple[str, int, dict[str, Any]]]) -> Table:
    """The result for a person."""
    shown = Table(
        "", "annotators", "cycles/s", "p50, ms", "p95, ms", "p99, ms", "labels", "over overlap", "lost", "doubled"
    )
    for name, annotators, row in rows:
        shown.add_row(name, str(annotators), *(f"{value:,}" for value in row.values()))
    return shown


def main() -> int:
    """Measure every contender and the limit; 1 where ours lost, doubled or over-assigned anything."""
    parser = argparse.ArgumentParser(prog="python -m bench.labels", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=30, help="of load for each contender and number of annotators")
    parser.add_argument("--only", choices=sorted(CONTENDERS), action="append", help="leave the others out")
    parser.add_argument("--annotators", type=int, nargs="+", default=ANNOTATORS)
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("bench-labels needs wrk for its load; install it (Debian: sudo apt install wrk).")
    result: dict[str, Any] = {}
    rows = []
    with tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True) as folder:
        for name in given.only or CONTENDERS:
            say(f"starting {name}")
            with CONTENDERS[name](Path(folder) / name, max(given.annotators)) as contender:
                result[name] = {"version": contender.version}
                for annotators in given.annotators:
                    row = measure(contender, annotators, given.seconds, Path(folder) / f"{name}-{annotators}")
                    say(f"{name}, {annotators} annotators: {json.dumps(row)}")
                    result[name][str(annotators)] = row
                    rows.append((name, annotators, row))
            if isinstance(contender, Ours):
                result |= limits(contender, given.annotators)
    Console(stderr=True).print(table(rows))
    ours = result.get("ours", {})
    for name in result.keys() - {"ours"}:
        result[name]["ratio"] = {
            str(n): round(ours[str(n)]["cycles_per_s"] / _rate(result[name][str(n)]), 2)
            for n in given.annotators
            if ours
        }
    report(result)
    return int(
        any(ours[str(n)][wrong] for n in given.annotators if ours for wrong in ("over_overlap", "lost", "doubled"))
    )


def _rate(row: Any) -> float:
    return float(row["cycles_per_s"] if isinstance(row, dict) else row) or float("nan")


if __name__ == "__main__":
    sys.exit(main())
