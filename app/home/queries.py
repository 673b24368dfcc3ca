"""The SQL of the overview: one small row per stage."""

from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.models import Run

_COUNTS = text(
    """
    select
      (select count(*) from prompt where project_id = :project and status = 'active') as prompts,
      (select count(*) from prompt where project_id = :project and status = 'review') as prompts_in_review,
      (select count(*) from item where project_id = :project and slots_left > 0 and withdrawn_at is null
         and purpose <> 'check') as open_items,
      (select count(*) from item where project_id = :project and slots_left > 0 and withdrawn_at is null
         and purpose = 'evaluation') as open_evaluation_items,
      (select count(*) from label where project_id = :project and superseded_at is null) as labels,
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
    """Every number of the overview in one row."""
    return session.execute(_COUNTS, {"project": project_id}).one()


def last_runs(session: Session, project_id: int) -> list[Run]:
    """The newest run of each kind, of training of each method."""
    newest_ids = select(func.max(Run.id)).where(Run.project_id == project_id).group_by(Run.kind, Run.method)
    return list(session.scalars(select(Run).where(Run.id.in_(newest_ids)).order_by(Run.id)))
