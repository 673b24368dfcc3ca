"""The SQL of labels over time. Labels are first counted by quarters of an hour, which every time zone has, so that the
clocks of a zone are asked for some thousand counts instead of each label."""

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_GIVEN = text(
    """
    with quarters as materialized (
        select date_bin('15 minutes', created_at, timestamptz '2000-01-01 00:00Z') as at, annotator_id,
               count(*) as labels
        from label where project_id = :project and created_at >= :since and superseded_at is null
             and assignment_id is not null
        group by 1, 2
    ), clocks as (
        select at at time zone :zone as at, annotator_id, labels from quarters
    )
    select date_trunc(:unit, at) as bucket, null::int as hour, annotator_id, sum(labels)::int as labels
    from clocks group by 1, annotator_id
    union all
    select null, extract(hour from at)::int, null, sum(labels)::int from clocks group by 2
    """
)


def given(session: Session, project_id: int, unit: str, since: datetime, zone: str) -> list[Any]:
    """(bucket, hour, annotator_id, labels): how many labels each person gave in each hour, day or week of local time
    that any were given in; and, with an hour and nobody's number, how many in each hour of the day."""
    return list(session.execute(_GIVEN, {"project": project_id, "unit": unit, "since": since, "zone": zone}))


_AGREED = text(
    """
    select bucket, tallies, count(*) as prompts from (
        select date_trunc(:unit, max(at) at time zone :zone) as bucket,
               array_agg(array[a, neither, b] order by a, neither, b) as tallies
        from (
            select l.item_id, max(l.created_at) as at, count(*) filter (where f.outcome = 'first') as a,
                   count(*) filter (where f.outcome in ('tie', 'both_bad')) as neither,
                   count(*) filter (where f.outcome = 'second') as b
            from label l join preference f on f.label_id = l.id and f.question = ''
            where l.project_id = :project and l.superseded_at is null
            group by l.item_id, f.first, f.second having count(*) > 1 and max(l.created_at) >= :since
        ) pairs join item p on p.id = pairs.item_id and p.purpose not in ('check', 'chat') group by p.prompt_id
    ) prompts group by bucket, tallies order by bucket, tallies
    """
)


def agreed(session: Session, project_id: int, unit: str, since: datetime, zone: str) -> list[Any]:
    """(bucket, tallies, prompts): of how many prompts several people judged just these pairs of responses, by the hour,
    day or week in which the last of these labels was given; `tallies` as in `quality_queries.prompt_tallies`."""
    return list(session.execute(_AGREED, {"project": project_id, "unit": unit, "since": since, "zone": zone}))
