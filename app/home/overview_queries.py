"""The SQL of the overview over all projects: a row of figures for each, all by one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_FIGURES = text(
    """
    select p.id,
      exists (select from prompt where project_id = p.id and status = 'active') as has_prompts,
      (select count(*) from prompt where project_id = p.id and status = 'review') as to_review,
      (select count(*) from item where project_id = p.id and slots_left > 0 and withdrawn_at is null
         and purpose <> 'check') as open_items,
      given.today, given.week, given.hour, given.hour_seconds,
      (select max(created_at) from label where project_id = p.id and superseded_at is null
         and assignment_id is not null) as last_at,
      (select count(*) from member where project_id = p.id and removed_at is null and paused_at is not null) as paused,
      (select count(*) from run where project_id = p.id and state in ('queued', 'running', 'cancelling'))
         as active_runs,
      exists (select from run where project_id = p.id and state in ('queued', 'running', 'cancelling')
         and kind = 'sampling') as sampling,
      exists (select from run where project_id = p.id and state in ('queued', 'running', 'cancelling')
         and method = 'reward') as training_reward,
      (select max(r.id) from run r where r.project_id = p.id and r.state = 'failed' and not exists (
         select from run later where later.project_id = p.id and later.id > r.id and later.kind = r.kind
           and later.method is not distinct from r.method)) as failed_run,
      exists (select from model where project_id = p.id and kind = 'reward') as has_reward
    from project p
    cross join lateral (
      select count(*) filter (where created_at >= :midnight) as today,
             count(*) filter (where created_at >= :week) as week,
             count(*) filter (where created_at > now() - interval '1 hour') as hour,
             extract(epoch from now() - min(created_at) filter (where created_at > now() - interval '1 hour'))
               as hour_seconds
      from label where project_id = p.id and superseded_at is null and assignment_id is not null
         and created_at >= least(:week, now() - interval '1 hour')
    ) given
    where p.id = any(:projects)
    """
)


def figures(session: Session, projects: Sequence[int], midnight: datetime, week: datetime) -> dict[int, Any]:
    """Of each project: what waits, what was labelled since midnight, in the week and in the last hour (and how many
    seconds ago the first of these was; the hour may reach back over the beginning of the week), the last label, what is
    under way, the newest run of its kind that failed."""
    found = session.execute(_FIGURES, {"projects": list(projects), "midnight": midnight, "week": week})
    return {row.id: row for row in found}


NEWEST = 500  # labels of a project whose pairs tell how far people agree of late

_AGREED = text(
    """
    select project_id, tallies, count(*) as prompts from (
        select project_id, array_agg(array[a, neither, b] order by a, neither, b) as tallies from (
            select l.project_id, p.prompt_id, count(*) filter (where f.outcome = 'first') as a,
                   count(*) filter (where f.outcome in ('tie', 'both_bad')) as neither,
                   count(*) filter (where f.outcome = 'second') as b
            from (
                select distinct newest.item_id from unnest(cast(:projects as bigint[])) as chosen(id)
                cross join lateral (
                    select item_id from label where project_id = chosen.id and superseded_at is null
                       and assignment_id is not null order by created_at desc limit :newest
                ) newest
            ) recent
            join label l on l.item_id = recent.item_id and l.superseded_at is null
            join preference f on f.label_id = l.id and f.question = ''
            join item p on p.id = l.item_id and p.purpose not in ('check', 'chat')
            group by l.project_id, p.prompt_id, l.item_id, f.first, f.second having count(*) > 1
        ) pairs group by project_id, prompt_id
    ) prompts group by project_id, tallies order by project_id, tallies
    """
)


def recently_judged(session: Session, projects: Sequence[int]) -> list[Any]:
    """(project_id, tallies, prompts) of the pairs of the newest labels of each project, as
    `app.labels.quality_queries.prompt_tallies` has them."""
    return list(session.execute(_AGREED, {"projects": list(projects), "newest": NEWEST}))
