"""The next item is found at once in large tables that were never analysed: right after an import or a restore."""

import json
from typing import Any

from sqlalchemy import text

from app.db import task_session
from app.labels import turn
from tests import factories

FILL = """
    with said as (
        insert into response (prompt_id, model_id, text)
        select :prompt, :model, 'Answer ' || n from generate_series(1, 20000) n returning id
    ), asked as (
        insert into item (project_id, prompt_id, kind, purpose, overlap_target, slots_left)
        select :project, :prompt, 'comparison', 'train', 1, 1 from generate_series(1, 10000) returning id
    ), numbered as (
        select s.id as response, a.id as item, (s.row - 1) % 2 as position
        from (select id, row_number() over () as row from said) s
        join (select id, row_number() over () as row from asked) a on a.row = (s.row + 1) / 2
    )
    insert into item_response (item_id, position, response_id) select item, position, response from numbered
"""


def steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(each for part in plan.get("Plans", []) for each in steps(part))]


def test_the_next_item_is_found_by_its_place_alone(database: str) -> None:
    with task_session() as session:
        project, person = factories.project(session), factories.user(session)
        prompt, model = factories.prompt(session, project), factories.base_model(session)
        session.execute(text(FILL), {"project": project.id, "prompt": prompt.id, "model": model.id})
        searched = turn.searching(project.id, person.id, 30, range(8))
    with task_session() as session:
        assert not session.scalar(text("select count(*) from pg_stats where tablename = 'item_response'"))
        found = session.execute(text(f"explain (analyze, format json) {turn.CLAIM.text}"), searched).scalar_one()
        [whole] = found if isinstance(found, list) else json.loads(found)
    read = {f"{each['Node Type']} {each.get('Index Name', '')}": each["Actual Rows"] for each in steps(whole["Plan"])}
    assert max(read.values()) < 10, read
