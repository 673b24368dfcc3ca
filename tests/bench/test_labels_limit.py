"""The bench's cycle in pgbench: the application's statements as they are, on a database that its own run left."""

import psycopg

from bench.labels_fill import fill
from bench.labels_limit import limit


def test_pgbench_answers_what_it_claims_and_does_so_again(database: str) -> None:
    fill([("Question?", "One answer.", "Another.")] * 1_500, people=3)  # more than a second's
    plain = database.replace("+psycopg", "")
    for _ in range(2):
        assert limit(plain, clients=2, seconds=1) > 0
        with psycopg.connect(plain) as connection:
            found = connection.execute(
                """
                select count(*), count(*) filter (where "order" = '{1,0}'), count(p.label_id)
                from label left join preference p on p.label_id = id
                """
            ).fetchone()
        assert found is not None
        assert 0 < found[0] == found[1] == found[2]
