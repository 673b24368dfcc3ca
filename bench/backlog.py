"""What a labelling cycle costs in a queue of a million pairs, beside one of ten thousand.

    make bench-backlog        # about a minute

In the long queue one annotator has given 20,000 labels, all to the pairs that come first and still want another
answer: the worst place to look for the next one. In the short queue they are new. A cycle is the answer saved, the
next pair claimed and rendered, the progress counted, the transaction committed; cycles of both take turns.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from alembic import command
from rich.console import Console
from rich.progress import track
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.orm import Session

from app.accounts.queries import Credential
from app.annotation.comparison import ComparisonValue
from app.async_db import Connections
from app.db import normalise_url
from app.labels import fast_path
from app.labels.new_label import NewLabel
from app.labels.screen import Screen, next_screen, save_and_claim
from app.models import Outcome, Project, User
from app.projects.dependencies import Access
from app.projects.queries import USER_WITH_PROJECT
from app.settings import Settings
from bench.pairs import report, say
from rlhf.config import RunFailed
from workers.platform.folder import prepare_folder
from workers.platform.migrate import config
from workers.platform.postgres import EmbeddedPostgres

SHORT, LONG, ANSWERED = 10_000, 1_000_000, 20_000
CYCLES = 2_000
ANSWER = NewLabel(ComparisonValue(choice=Outcome.FIRST), seconds=7.0)

# Overlap 2: every pair that the annotator has answered waits for a second person.
BUILD = """
set session_replication_role = replica;
insert into "user" (id, email, name) overriding system value values ({project}, 'ada@example.org', 'Ada');
insert into model (id, kind, name, source, artifact, state) overriding system value
  values (1, 'base', 'base', 'bench', 'none', 'ready');
insert into project (id, name, base_model_id, answer, sampling, automation, overlap) overriding system value
  values ({project}, 'Queue', 1, '{{}}', '{{}}', '{{}}', 2);
insert into member (project_id, user_id, role) values ({project}, {project}, 'annotator');
insert into web_session (token_hash, user_id, expires_at) values ('token', {project}, now() + interval '1 day');
insert into prompt (id, project_id, messages, content_hash, source, status, split) overriding system value
  select n, {project}, jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Question ' || n || '?')),
    md5(n::text), 'import', 'active', 'train' from generate_series(1, {items}) n;
insert into response (id, prompt_id, model_id, text, finish_reason, token_count, strategy) overriding system value
  select n, (n + 1) / 2, 1, 'Answer ' || n || '. ' || repeat('It depends on more than one thing. ', 8), 'stop', 60,
    'stochastic' from generate_series(1, 2 * {items}) n;
insert into item (id, project_id, prompt_id, kind, purpose, overlap_target, slots_left) overriding system value
  select n, {project}, n, 'comparison', 'train', 2, case when n <= {labels} then 1 else 2 end
  from generate_series(1, {items}) n;
insert into item_response (item_id, position, response_id)
  select (n + 1) / 2, 1 - mod(n, 2), n from generate_series(1, 2 * {items}) n;
insert into assignment (id, project_id, item_id, annotator_id, "order", state, leased_at, expires_at)
    overriding system value
  select n, {project}, n, {project}, '{{0,1}}', 'labelled', at, at
  from (select n, now() - make_interval(secs => ({labels} - n) * 8) as at from generate_series(1, {labels}) n) given;
insert into label (project_id, item_id, annotator_id, assignment_id, value, seconds, "order", created_at)
  select {project}, item_id, {project}, id, '{{"kind": "comparison", "choice": "first", "strength": null,
    "questions": {{}}}}', 7, "order", leased_at from assignment;
insert into preference (label_id, question, first, second, outcome, probability)
  select id, '', 0, 1, 'first', 1 from label;
set session_replication_role = origin;
select setval(pg_get_serial_sequence('assignment', 'id'), {labels} + 1);
"""


class Queue:
    """One of the two queues, and its annotator at work. What the application keeps in memory it keeps by project, so
    the two have different ones."""

    def __init__(self, server: URL, project: int, items: int, labels: int) -> None:
        say(f"building a queue of {items:,} pairs, {labels:,} of them labelled")
        with create_engine(server, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(f"create database queue_{project}")
        self.engine = create_engine(server.set(database=f"queue_{project}"))
        with self.engine.connect() as connection:
            alembic = config()
            alembic.attributes["connection"] = connection
            command.upgrade(alembic, "head")
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for statement in BUILD.format(project=project, items=items, labels=labels).split(";\n"):
                connection.exec_driver_sql(statement)
            connection.exec_driver_sql("vacuum analyze")
        with Session(self.engine, expire_on_commit=False) as session:
            self.user = session.get_one(User, project)
            self.project = session.get_one(Project, project)
            self.holds = _held(next_screen(session, self.project, self.user, None))
            session.commit()

            asked = {"token_hash": "token", "project": project}
            user, own, member, version = session.execute(USER_WITH_PROJECT[Credential.COOKIE], asked).one()
            self.standing = fast_path.Standing.of("token", Access(user, own, member.role, member, version))
        self.direct = Connections(self.engine.url.render_as_string(hide_password=False))

    async def cycle(self) -> float:
        """Answer the pair held and fetch the next, as the page's route does; seconds."""
        started = time.perf_counter()
        self.holds = _held(await self._at_once() or self._by_the_rules())
        return time.perf_counter() - started

    async def _at_once(self) -> Screen | None:
        if self.standing is None:
            return None
        screen: Screen | None = await fast_path.save_and_claim(self.direct.fetch_one, self.standing, self.holds, ANSWER)
        return screen

    def _by_the_rules(self) -> Screen:
        with Session(self.engine, expire_on_commit=False) as session:
            done, screen = save_and_claim(session, self.project, self.user, None, self.holds, ANSWER)
            session.commit()
        if done.status != 200:
            raise RunFailed(f"an answer was refused: {done.warning}")
        return screen


def _held(screen: Screen) -> int:
    if screen.task is None:
        raise RunFailed("the queue ran dry: fewer cycles, please")
    return screen.task.id


async def answer_in_turn(queues: dict[int, Queue]) -> dict[int, list[float]]:
    """The seconds of each cycle of each queue."""
    taken: dict[int, list[float]] = {items: [] for items in queues}
    for _ in track(range(CYCLES), "Answering", console=Console(stderr=True)):
        for items, queue in queues.items():
            taken[items].append(await queue.cycle())
    for queue in queues.values():
        queue.engine.dispose()
        await queue.direct.close()
    return taken


def main() -> None:
    """Build both, let them take turns, compare."""
    with tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True) as folder:
        postgres = EmbeddedPostgres(prepare_folder(Settings(data_dir=Path(folder))))
        postgres.start()
        try:
            server = make_url(normalise_url(postgres.url))
            queues = {SHORT: Queue(server, 1, SHORT, 0), LONG: Queue(server, 2, LONG, ANSWERED)}
            taken = asyncio.run(answer_in_turn(queues))
        finally:
            postgres.stop()
    figures = {
        f"{items}_pairs": {
            "p50_ms": round(statistics.median(times) * 1000, 3),
            "p99_ms": round(statistics.quantiles(times, n=100)[98] * 1000, 3),
            "slowest_ms": round(max(times) * 1000, 3),
        }
        for items, times in taken.items()
    }
    ratio = statistics.median(taken[LONG]) / statistics.median(taken[SHORT])
    report({"bench": "backlog", "ratio_p50": round(ratio, 3), **figures, "labels_before": ANSWERED, "cycles": CYCLES})


if __name__ == "__main__":
    main()
