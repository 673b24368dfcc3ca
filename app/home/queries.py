"""The SQL of the overview: one small row per stage."""

from typing import Any

from sqlalchemy import exists, func, select, text
from sqlalchemy.orm import Session

from app.models import Item, Run

_SIZES = text(
    """
    select
      (select count(*) from prompt where project_id = :project and status = 'active') as prompts,
      (select count(*) from label where project_id = :project and superseded_at is null) as labels,
      open.items as open_items, open.evaluating as open_evaluation_items
    from (
      select count(*) as items, count(*) filter (where purpose = 'evaluation') as evaluating from item
      where project_id = :project and slots_left > 0 and withdrawn_at is null and purpose <> 'check'
    ) open
    """
)


def sizes(session: Session, project_id: int) -> Any:
    """How much there is of what grows without end, in one row: the larger, the longer it takes."""
    return session.execute(_SIZES, {"project": project_id}).one()


_COUNTS = text(
    """
    select
      (select count(*) from prompt where project_id = :project and status = 'review') as prompts_in_review,
      (select count(*) from label where project_id = :project and superseded_at is null
         and assignment_id is not null and created_at > now() - interval '1 hour') as labels_last_hour,
      (select count(*) from label where project_id = :project and superseded_at is null
         and assignment_id is not null and created_at > now() - interval '1 day') as labels_last_day,
      (select count(distinct annotator_id) from label where project_id = :project
         and assignment_id is not null and created_at > now() - interval '15 minutes') as active_annotators,
      (select count(*) from conversation where project_id = :project) as conversations,
      (select count(*) from model where project_id = :project and kind = 'reward') as reward_models,
      (select count(*) from model where project_id = :project and kind = 'policy') as policies
    """
)


def counts(session: Session, project_id: int) -> Any:
    """Every other number of the overview in one row."""
    return session.execute(_COUNTS, {"project": project_id}).one()


def last_runs(session: Session, project_id: int) -> list[Run]:
    """The newest run of each kind, of training of each method."""
    newest_ids = select(func.max(Run.id)).where(Run.project_id == project_id).group_by(Run.kind, Run.method)
    return list(session.scalars(select(Run).where(Run.id.in_(newest_ids)).order_by(Run.id)))


def has_items(session: Session, project_id: int) -> bool:
    """Whether anything was ever put before people here."""
    return bool(session.scalar(select(exists().where(Item.project_id == project_id))))


_CHATTED = text(
    """
    select exists (
        select from turn t join conversation c on c.id = t.conversation_id join model m on m.id = t.model_id
        where c.project_id = :project and m.project_id = :project and m.kind = 'policy' and t.state = 'done'
    )
    """
)


def policy_has_chatted(session: Session, project_id: int) -> bool:
    """Whether a policy that was trained here has answered somebody in the chat."""
    return bool(session.scalar(_CHATTED, {"project": project_id}))


_PACE = text(
    """
    with recent as (
        select created_at, seconds from label
        where project_id = :project and superseded_at is null and assignment_id is not null
        order by created_at desc limit 200
    ), hour as (
        select count(*) as labels, extract(epoch from now() - min(created_at)) as seconds from recent
        where created_at > now() - interval '1 hour'
    )
    select hour.labels, hour.seconds, (select count(seconds) from recent) as timed,
           (select percentile_cont(0.5) within group (order by seconds) from recent) as median from hour
    """
)


def labelling_pace(session: Session, project_id: int) -> Any:
    """(labels, seconds, timed, median): how many of the newest 200 labels are of the last hour, and how long ago the
    first of them was; how many of the newest say how many seconds they took, and the median of those."""
    return session.execute(_PACE, {"project": project_id}).one()
