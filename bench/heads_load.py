"""What people who label without a pause notice of a live head: the load of bench-labels, the head on and off in turn.

    python -m bench.heads_load                                # about ten minutes
    python -m bench.heads_load --rounds 1 --seconds 5         # a try

One platform, whose answers all carry features of a reward model. The head is on while that model is ready; made
unready, nothing learns or orders. The last line is JSON: cycles a second of both, the ratio of each round, and the
processor time that the platform's parts took for each label. Fails below 0.85 in the median, or where a label was lost,
doubled or given over the overlap.
"""

import contextlib
import json
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
from sqlalchemy import insert, select, text

from bench import labels
from bench.heads import WIDTH
from bench.labels_contenders import Ours, texts
from bench.pairs import report, say
from rlhf.config import Doc, Ge, RunFailed, parse_config, run_cli

LEAST = 0.85
PACE, FIRST_SECONDS = 1_500, 5  # cycles a second, for which pairs are to suffice; load before any is measured
ANSWERS = 8  # to a prompt: pairs of few answers are quicker to make, as each has features
BETTER = "BETTER"  # also in labels_load.lua
SETTLES = 12.0  # seconds in which the head is found or forgotten, and has learned what there is
STATE = "update model set state = :state where kind = 'reward'"
PARTS = {
    "scheduler": "celery_app beat",
    "database": "postgres",
    "web": "uvicorn app.main",
}  # by what their commands say
HEAD = "select report ->> 'state' from live_head where project_id = 1"


@dataclass(frozen=True)
class LoadConfig:
    """The labelling load, with a live head and without."""

    rounds: Annotated[int, Ge(1), Doc("How often both are measured.")] = 5
    seconds: Annotated[int, Ge(1), Doc("Of load for each turn.")] = 15
    annotators: Annotated[int, Ge(1), Doc("Who label at the same time.")] = 32


class Headed(Ours):
    """Ours, with features of every response, and a word in every other one that people like."""

    name = "headed"

    def __init__(self, folder: Path, people: int, seconds: int) -> None:
        super().__init__(folder, people)
        self.pairs = PACE * seconds

    def _fill(self) -> list[str]:
        from app import models as m
        from app.db import get_engine, task_session
        from bench.labels_fill import fill

        made = [(prompt, f"{BETTER} {one}", two) for prompt, one, two in texts(self.pairs // comb(ANSWERS, 2))]
        tokens = fill(made, self.people, ANSWERS)
        draw = np.random.default_rng(0)
        taste = draw.normal(size=WIDTH)
        with task_session() as session:
            project = session.get_one(m.Project, 1)
            project.queue_order = m.QueueOrder.UNCERTAIN
            model = m.Model(
                project_id=1, kind=m.ModelKind.REWARD, name="Reward model", parent_id=project.base_model_id,
                state=m.ModelState.READY, artifact="none",
            )  # fmt: skip
            session.add(model)
            session.flush()
            for found in session.execute(select(m.Response.id, m.Response.text)).partitions(1_000):
                better = np.array([[said.startswith(BETTER)] for _, said in found])
                states = (draw.normal(size=(len(found), WIDTH)) + better * taste).astype("<f2")
                rows = [
                    {"model_id": model.id, "response_id": id_, "states": state.tobytes(), "tokens": 150}
                    for (id_, _), state in zip(found, states, strict=True)
                ]
                session.execute(insert(m.ResponseFeatures), rows)
        with get_engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("vacuum (analyze) response_features"))  # not by itself in the middle of a round
        return tokens


def switch(on: bool) -> str | None:
    """The head on or off; what it says of itself once it has settled."""
    from app.db import task_session

    with task_session() as session:
        session.execute(text(STATE), {"state": "ready" if on else "preparing"})
    time.sleep(SETTLES)
    with task_session() as session:
        said: str | None = session.scalar(text(HEAD))
        return said


def processor_seconds(root: int) -> dict[str, float]:
    """Seconds of processor time that the platform below a process has taken, by what took it: children go with their
    parents."""
    found = dict.fromkeys(PARTS, 0.0)

    def look(process: psutil.Process, part: str | None) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            said = " ".join(process.cmdline())
            part = next((part for part, sign in PARTS.items() if sign in said), part)
            if part is not None:
                taken = process.cpu_times()
                found[part] += taken.user + taken.system
            for child in process.children():
                look(child, part)

    look(psutil.Process(root), None)
    return found


def measured(config: LoadConfig, folder: Path) -> dict[str, Any]:
    """Both in turn, who goes first alternating."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    taken: dict[bool, dict[str, list[float]]] = {on: {part: [] for part in PARTS} for on in (True, False)}
    wrong: list[str] = []
    seconds = FIRST_SECONDS + 2 * config.rounds * config.seconds
    with Headed(folder / "ours", config.annotators, seconds) as contender:
        root = contender.process.pid if contender.process else os.getpid()
        switch(True)
        labels.load(contender, config.annotators, FIRST_SECONDS, folder / "first")
        for number in range(config.rounds):
            for on in (True, False) if number % 2 == 0 else (False, True):
                said = switch(on)
                if on and said != "orders":
                    raise RunFailed(f"the head does not order the queue: {said}")
                before = processor_seconds(root)
                row = labels.measure(contender, config.annotators, config.seconds, folder / f"{number}-{on}")
                after = processor_seconds(root)
                for part in PARTS:
                    taken[on][part].append(1000 * (after[part] - before[part]) / max(row["labels"], 1))
                rates[on].append(row["cycles_per_s"])
                say(f"round {number + 1}, the head {'on' if on else 'off'}: {json.dumps(row)}")
                wrong += [f"{row[what]} {what}" for what in ("over_overlap", "lost", "doubled") if row[what]]
    ratios = [one / other for one, other in zip(rates[True], rates[False], strict=True)]
    return {
        "ratio_median": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "on": rates[True],
        "off": rates[False],
        "processor_ms_a_label": {
            name: {part: round(statistics.median(each), 2) for part, each in taken[on].items()}
            for name, on in (("on", True), ("off", False))
        },
        "load": round(os.getloadavg()[0], 1),
        "wrong": wrong,
    }


def main(argv: list[str]) -> None:
    config = parse_config(LoadConfig, argv, prog="python -m bench.heads_load")
    with tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True) as folder:
        found = measured(config, Path(folder))
    report({"bench": "heads-load", "annotators": config.annotators} | found)
    if found["wrong"] or found["ratio_median"] < LEAST:
        raise RunFailed("; ".join([*found["wrong"], f"{found['ratio_median']} of the rate without a head"]))


if __name__ == "__main__":
    run_cli(main)
