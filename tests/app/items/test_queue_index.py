"""How a live head reads the queue: along its index, whose dead entries that marks."""

from sqlalchemy import text

from app.db import task_session
from app.items import queue
from tests import factories

# 2,000 wait, anywhere among those that were answered.
MANY = text(
    """
    insert into item (project_id, prompt_id, kind, purpose, level, rank, slots_left)
    select project_id, prompt_id, kind, purpose, level, random(), (turn < 5)::int from item, generate_series(1, 40) turn
    order by random()
    """
)
READ = text("select idx_tup_fetch from pg_stat_user_indexes where indexrelname = 'ix_item_queue'")


def test_what_waits_is_read_along_the_index(database: str) -> None:
    """A scan by bitmap marks nothing, and is not counted here (PostgreSQL's documentation of this view)."""
    with task_session() as session:
        project = factories.project(session)
        model, prompt = factories.model(session, project), factories.prompt(session, project)
        for _ in range(500):
            factories.item(session, prompt, model, slots_left=0)
        session.execute(MANY)
        session.execute(text("analyze item"))
    with task_session() as session:
        before = session.scalars(READ).one()
    with task_session() as session:
        session.execute(text("set local random_page_cost = 40"))  # rather by a bitmap, and sorted
        ranks = [item.rank for item in queue.waiting(session, project.id, 3000)]
        assert len(ranks) == 2000
        assert ranks == sorted(ranks)
        assert session.scalar(text("show enable_sort")) == "on"
        session.execute(text("select pg_stat_force_next_flush()"))
    with task_session() as session:
        assert session.scalars(READ).one() - before >= 2000
