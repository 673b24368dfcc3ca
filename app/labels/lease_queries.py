"""The SQL of one person's leases beside the labelling turn: taken again, renewed, given up. The lock order is that of
`app.labels.turn`."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.labels.task import SHOWN, Task, task_in

_ANYTHING_LEFT = text(
    """
    select exists (
        select from item p
        where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose <> 'check'
          and not exists (select from assignment s where s.item_id = p.id and s.annotator_id = :user))
    """
)


def anything_left(session: Session, project_id: int, user_id: int) -> bool:
    """Whether an item waits that this person has not seen, be it locked by somebody's claim just now."""
    return bool(session.execute(_ANYTHING_LEFT, {"project": project_id, "user": user_id}).scalar_one())


_REOPEN = text(
    """
    with back as (
        select s.id, s.item_id from assignment s join item p on p.id = s.item_id
        where s.annotator_id = :user and s.project_id = :project and s.state = :state
          and p.slots_left > 0 and p.withdrawn_at is null
          and not exists (
            select from assignment o where o.annotator_id = :user and o.project_id = :project and o.state = 'open')
        order by s.id desc limit 1 for no key update of p
    ), leased as (
        update assignment
        set state = 'open', skip_reason = null, skip_note = null, leased_at = now(),
            expires_at = now() + make_interval(mins => :minutes)
        where id in (select id from back) and state = :state
        returning id, item_id, "order", state
    ), taken as (
        update item set slots_left = slots_left - 1 where id in (select item_id from leased)
    )
    """  # noqa: S608  fixed fragments of this module
    + SHOWN.format(leases="leased")
)


def reopen(session: Session, project_id: int, user_id: int, minutes: int, state: str) -> Task | None:
    """Lease again the newest item whose lease this person let expire, or skipped, where a slot is still free."""
    values = {"project": project_id, "user": user_id, "minutes": minutes, "state": state}
    return task_in(session.execute(_REOPEN, values).one_or_none())


_TASK = text(
    SHOWN.format(leases="assignment") + "where l.id = :id and l.annotator_id = :user and l.project_id = :project"
)


def task(session: Session, project_id: int, user_id: int, assignment_id: int) -> Task | None:
    """One of this person's assignments, in whatever state."""
    values = {"id": assignment_id, "user": user_id, "project": project_id}
    return task_in(session.execute(_TASK, values).one_or_none())


_SKIP = text(
    """
    with held as (
        select p.id from item p join assignment s on s.item_id = p.id
        where s.id = :id and s.annotator_id = :user and s.project_id = :project and s.state = 'open'
        for no key update of p
    ), gone as (
        update assignment set state = 'skipped', skip_reason = :reason, skip_note = :note
        where id = :id and state = 'open' and item_id in (select id from held)
        returning item_id
    )
    update item set slots_left = slots_left + 1 where id in (select item_id from gone) returning id
    """
)


def skip(
    session: Session, project_id: int, user_id: int, assignment_id: int, reason: str | None, note: str | None
) -> bool:
    """End an open lease as skipped and give its slot back; False where it was not open."""
    values = {"id": assignment_id, "user": user_id, "project": project_id, "reason": reason, "note": note}
    return session.execute(_SKIP, values).one_or_none() is not None


_RENEW = text(
    """
    update assignment set expires_at = now() + make_interval(mins => :minutes)
    where id = :id and annotator_id = :user and project_id = :project and state = 'open' returning id
    """
)


def renew(session: Session, project_id: int, user_id: int, assignment_id: int, minutes: int) -> bool:
    """Lengthen an open lease; False where it is not open any more."""
    values = {"id": assignment_id, "user": user_id, "project": project_id, "minutes": minutes}
    return session.execute(_RENEW, values).one_or_none() is not None


def skipped_count(session: Session, project_id: int, user_id: int) -> int:
    """How many items this person skipped that still have a slot for them."""
    return int(
        session.execute(
            text(
                """
                select count(*) from assignment s join item p on p.id = s.item_id
                where s.annotator_id = :user and s.project_id = :project and s.state = 'skipped'
                  and p.slots_left > 0 and p.withdrawn_at is null
                """
            ),
            {"user": user_id, "project": project_id},
        ).scalar_one()
    )
