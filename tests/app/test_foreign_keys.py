"""Records that point to tables which grow with the work are found by what they point to: where one is deleted,
PostgreSQL looks for them, each time through the whole table where no index tells."""

from sqlalchemy import text
from sqlalchemy.orm import Session

GROWING = ("item", "prompt", "response", "label", "assignment", "conversation", "turn")

_WITHOUT_INDEX = text(
    """
    select k.conrelid::regclass || '.' || a.attname as name from pg_constraint k
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.confrelid::regclass::text = any(:growing) and not exists (
        select from pg_index i where i.indrelid = k.conrelid and i.indkey[0] = k.conkey[1] and i.indisvalid
          and coalesce(pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', a.attname), true)
    )
    order by name
    """
)


def test_what_points_to_a_growing_table_has_an_index(session: Session) -> None:
    assert list(session.scalars(_WITHOUT_INDEX, {"growing": list(GROWING)})) == []
