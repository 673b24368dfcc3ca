"""Labels at 20 a second beside a live head that orders 2,000 waiting items: what an update takes, how old the order is.

    export OMP_NUM_THREADS=1                               # as that process has it on the platform
    python -m bench.heads                                  # 20,000 labels: 17 minutes, and some for the project
    python -m bench.heads --labels 1200 --waiting 500      # a try

The head is kept as by the process that leads, on an embedded PostgreSQL of its own. Each label takes the item that
stands first in the queue, and a new item takes its place. The last line is JSON: the median time of learning one label,
exact fits included ("update_ms"), how long after its commit a label was in the order that the head had stored
("order_age_s", median and worst), the bytes of the queue's index at the beginning, halfway and at the end, how often
its table had been vacuumed by then, and the load of the machine. Fails at a median update of 5 ms, a median age of 2 s,
or an index that is larger at the end than at the beginning. A new index grows for some thousand labels by itself, since
what is asked is taken from its left and what comes goes anywhere; so the queue is turned over first, without a head,
until that is over.
"""

import json
import os
import secrets
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from rlhf.config import Doc, Ge, RunFailed, parse_config, run_cli
from rlhf.live_head import sigmoid

UPDATE_MS, AGE_S = 5.0, 2.0
AT_ONCE = 4  # people who label at the same time
WIDTH, PEOPLE, FIRST = 1152, 20, 300  # width: mean and end state of a trunk of 576; labels that are there before
TURNS, A_MINUTE = 10_000, 1_200  # items that come and go beforehand; autovacuum comes once a minute
TURN = """
    update item set rank = random() where id = (
        select id from item where project_id = :project and slots_left > 0 and withdrawn_at is null
          and purpose <> 'check' order by project_id, level, rank, id limit 1
    )
"""
SIZE = "select pg_relation_size('ix_item_queue')"
VACUUMED = "select autovacuum_count from pg_stat_user_tables where relname = 'item'"
LEARNED = "select (report ->> 'labels')::int from live_head where project_id = :project"


@dataclass(frozen=True)
class HeadsConfig:
    """Labels beside a live head."""

    labels: Annotated[int, Ge(100), Doc("How many labels are given.")] = 20_000
    rate: Annotated[float, Ge(1), Doc("Labels a second.")] = 20.0
    waiting: Annotated[int, Ge(100), Doc("Items that wait, each with features.")] = 2_000


class Crowd:
    """A project with people who label by a taste, and a new item for each that was labelled."""

    def __init__(self, waiting: int) -> None:
        from app import models as m
        from app.db import task_session
        from tests import factories

        self.draw = np.random.default_rng(0)
        self.taste = self.draw.normal(size=WIDTH) / 12
        self.states: dict[int, np.ndarray] = {}
        with task_session() as session:
            project = factories.project(session, queue_order=m.QueueOrder.UNCERTAIN)
            self.model = factories.model(session, project, kind=m.ModelKind.REWARD, state=m.ModelState.READY)
            self.people = [factories.user(session) for _ in range(PEOPLE)]
            self.project = project.id
        for _ in range((waiting + FIRST) // 100):
            with task_session() as session:
                for number in range(100):
                    self.add(session, m.Split.HOLDOUT if number % 10 == 0 else m.Split.TRAIN)
        for number in range(FIRST):
            self.label(number)

    def turn_over(self) -> None:
        """Let the first of the queue go and another come, often, as PostgreSQL sees it."""
        from app.db import get_engine, task_session

        for turn in range(TURNS):
            with task_session() as session:
                session.execute(text(TURN), {"project": self.project})
            if turn % A_MINUTE == A_MINUTE - 1:
                with get_engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                    connection.execute(text("vacuum item"))

    def add(self, session: Session, split: str = "train") -> None:
        """One more item, with features."""
        from app import models as m
        from tests import factories

        prompt = factories.prompt(session, session.get_one(m.Project, self.project), split=m.Split(split))
        item = factories.item(
            session, prompt, self.model, rank=float(self.draw.random()), control=self.draw.random() < 0.25
        )
        for response in item.responses:
            self.states[response.id] = self.draw.normal(size=WIDTH)
            factories.response_features(session, self.model, response, self.states[response.id].tolist())

    def label(self, number: int) -> None:
        """Label what stands first, and put another item behind it."""
        from app import models as m
        from app.db import task_session
        from tests import factories

        draw = np.random.default_rng(number)
        with task_session() as session:
            waiting = select(m.Item).where(m.Item.project_id == self.project, m.Item.slots_left > 0)
            in_order = waiting.order_by(m.Item.level, m.Item.rank, m.Item.id).limit(1)
            item = session.scalars(in_order.with_for_update(skip_locked=True)).one()
            one, two = (self.states.pop(each.id) for each in item.responses)
            first = draw.random() < sigmoid(np.asarray((one - two) @ self.taste))
            person = session.get_one(m.User, self.people[number % PEOPLE].id)
            item.slots_left = 0
            factories.label(session, item, person, m.Outcome.FIRST if first else m.Outcome.SECOND)
            self.add(session)


def measured(config: HeadsConfig) -> dict[str, Any]:
    """Give the labels, with a head beside them."""
    from app.db import task_session
    from workers.heads.head import Head
    from workers.heads.keeper import Keeper, keep

    updates: list[float] = []  # of each label, in the order in which they were learned
    commits: list[float] = []
    ages: list[float] = []
    plain, tend = Head._take, Keeper._tend

    def timed(self: Head, *given: object) -> int:
        started = time.perf_counter()
        try:
            return plain(self, *given)  # type: ignore[arg-type]
        finally:
            updates.append(time.perf_counter() - started)

    def tended(self: Keeper, *given: object) -> None:
        tend(self, *given)  # type: ignore[arg-type]
        now = time.perf_counter()  # what was learned before is in an order that is committed
        ages.extend(now - commit for commit in commits[len(ages) : len(updates)])

    Head._take, Keeper._tend = timed, tended  # type: ignore[method-assign, assignment]
    crowd = Crowd(config.waiting)
    crowd.turn_over()
    stopping = threading.Event()
    keeper = threading.Thread(target=keep, args=(lambda: True, stopping))
    keeper.start()

    def look(sql: str) -> int:
        with task_session() as session:
            return int(session.scalar(text(sql), {"project": crowd.project}) or 0)

    while not look(LEARNED):
        time.sleep(0.1)
    updates.clear()
    sizes, vacuums, load = [look(SIZE)], [look(VACUUMED)], os.getloadavg()[0]

    def give(number: int) -> None:
        crowd.label(FIRST + number)
        commits.append(time.perf_counter())

    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as crowding:
        given = []
        for number in range(config.labels):
            time.sleep(max(0.0, began + number / config.rate - time.perf_counter()))
            given.append(crowding.submit(give, number))
            if number == config.labels // 2:
                sizes.append(look(SIZE))
                vacuums.append(look(VACUUMED))
        for each in given:
            each.result()
    took = time.perf_counter() - began
    waited = time.perf_counter()
    while len(ages) < len(commits) and time.perf_counter() < waited + 60:
        time.sleep(0.1)
    stopping.set()
    keeper.join(60)
    return {
        "labels": config.labels,
        "a_second": round(config.labels / took, 1),
        "update_ms": round(1000 * statistics.median(updates), 3),
        "order_age_s": [round(statistics.median(ages), 2), round(max(ages), 2)],
        "stored": len(ages),
        "index_bytes": [*sizes, look(SIZE)],
        "vacuums": [*vacuums, look(VACUUMED)],
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def main(argv: list[str]) -> None:
    """Fill, measure, print; fails beyond the limits."""
    from alembic import command

    from app.db import get_engine, normalise_url
    from app.settings import Settings
    from workers.platform.folder import prepare_folder
    from workers.platform.migrate import config as alembic_config
    from workers.platform.postgres import EmbeddedPostgres

    config = parse_config(HeadsConfig, argv, prog="python -m bench.heads")
    with tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(prepare_folder(Settings(data_dir=Path(folder))))
        server.start()
        try:
            url = make_url(normalise_url(server.url))
            os.environ |= {
                "DATABASE_URL": url.render_as_string(hide_password=False),
                "REDIS_URL": "redis://127.0.0.1:1/0",
                "HONE_DATA_DIR": folder,
                "HONE_SECRET_KEY": secrets.token_urlsafe(32),
            }
            with create_engine(url).connect() as connection:
                alembic = alembic_config()
                alembic.attributes["connection"] = connection
                command.upgrade(alembic, "head")
            found = measured(config)
            get_engine().dispose()
        finally:
            server.stop()
    print(json.dumps(found))
    wrong = []
    if found["stored"] < config.labels:
        wrong.append(f"{config.labels - found['stored']} labels were not learned within a minute")
    if found["update_ms"] >= UPDATE_MS:
        wrong.append(f"an update took {found['update_ms']} ms")
    if found["order_age_s"][0] >= AGE_S:
        wrong.append(f"the stored order was {found['order_age_s'][0]} s old")
    before, _, after = found["index_bytes"]
    if after > before:
        wrong.append(f"the queue's index grew from {before} to {after} bytes")
    if wrong:
        raise RunFailed("; ".join(wrong))


if __name__ == "__main__":
    run_cli(main)
