"""What an export reads of other projects' labels before its first rows: next to nothing, however many there are."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import models as m
from app.exports.export import Export
from app.models.export_settings import ExportSettings
from tests import factories

MINE, THEIRS = 4_000, 40_000
FILL = """
insert into label (project_id, item_id, imported_annotator_id, run_id, value, import_key, "order")
select :project, :item, n, :run, '{"kind": "comparison", "choice": "first", "strength": null, "questions": {}}',
    n::text, '{0,1}' from generate_series(1, :labels) n
"""
READ = "select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = 'label'"


def _filled(session: Session, labels: int) -> m.Project:
    """A project in which so many people have judged one item. None of them is known: nobody looks for them here."""
    project = factories.project(session)
    item = factories.item(session, factories.prompt(session, project), project.base_model)
    run = factories.run(session, project)
    session.execute(text("set local session_replication_role = replica"))
    session.execute(text(FILL), {"project": project.id, "item": item.id, "run": run.id, "labels": labels})
    session.execute(text("set local session_replication_role = origin"))
    return project


@pytest.mark.parametrize("layout", ["everything", "trl", "label-studio"])
def test_the_first_rows_take_no_walk_through_other_projects_labels(session: Session, layout: str) -> None:
    before, project, after = (_filled(session, count) for count in (THEIRS, MINE, THEIRS))
    session.execute(text("analyze label"))
    session.execute(text("analyze item"))
    export = Export(project, ExportSettings(layout=layout))
    read = session.execute(text(READ)).scalar_one()
    next(export.pieces(session))
    read = session.execute(text(READ)).scalar_one() - read
    assert read < 4 * MINE  # to find the first, and three times where all of them are of one item
    assert before.id < project.id < after.id
