"""The SQL of the queue proper: leases and slots. Each statement changes a lease together with the slot it takes or
gives back.

Lock order, everywhere: the pair before the assignment. A claim never waits for a pair (SKIP LOCKED): it may come in the
same transaction as an answer, and two that waited for each other's pairs would be a deadlock. What two tabs
of one person race for is settled by two unique indexes: one open lease a person, one assignment a person and pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text, update
from sqlalchemy.orm import Session

from app.models import Pair, Side

START = (float("-inf"), 0)
"""The place before the whole queue; a place is (-priority, pair id)."""


@dataclass(frozen=True)
class Task:
    """What one person compares: their lease and what it shows. `left` is the side displayed on the left."""

    id: int  # of the assignment
    pair_id: int
    left: Side
    state: str
    priority: float
    messages: list[dict[str, Any]]
    texts: dict[Side, str]
    finish_reasons: dict[Side, str]

    @property
    def right(self) -> Side:
        """The side displayed on the right."""
        return self.left.other


_SHOWN = """
select l.id, l.pair_id, l."left", l.state, p.priority, q.messages, a.text as text_a, b.text as text_b,
       a.finish_reason as finish_a, b.finish_reason as finish_b
from {leases} l join pair p on p.id = l.pair_id join prompt q on q.id = p.prompt_id
join response a on a.id = p.response_a_id join response b on b.id = p.response_b_id
"""

# What may be claimed, in the queue's order from a place on; and attention checks, in any order.
_OPEN = """
select p.id from pair p
where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose <> 'check'
  and ((-p.priority), p.id) > (cast(:rank as double precision), cast(:after as bigint))
  and not exists (select from assignment s where s.pair_id = p.id and s.annotator_id = :user)
  and not exists (select from held)
order by (-p.priority), p.id limit 1 for no key update of p
"""
_CHECK = """
select p.id from pair p
where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose = 'check'
  and not exists (select from assignment s where s.pair_id = p.id and s.annotator_id = :user)
  and not exists (select from held)
order by random() limit 1 for no key update of p
"""


def _claim(picked: str) -> TextClause:
    """The whole claim in one statement: the lease that is held already, renewed, or a new one with its slot."""
    return text(
        f"""
        with held as (
            update assignment set expires_at = now() + make_interval(mins => :minutes)
            where annotator_id = :user and project_id = :project and state = 'open'
            returning id, pair_id, "left", state
        ), picked as (
            {picked}
        ), leased as (
            insert into assignment (project_id, pair_id, annotator_id, "left", state, expires_at)
            select :project, id, :user, :left, 'open', now() + make_interval(mins => :minutes) from picked
            on conflict do nothing
            returning id, pair_id, "left", state
        ), taken as (
            update pair set slots_left = slots_left - 1 where id in (select pair_id from leased)
        ), mine as (
            select * from held union all select * from leased
        )
        """  # noqa: S608  fixed fragments of this module
        + _SHOWN.format(leases="mine")
    )


CLAIM_NEXT = _claim(_OPEN + "skip locked")
_CLAIM_CHECK = _claim(_CHECK + "skip locked")


def _task(row: Any) -> Task | None:
    if row is None:
        return None
    return Task(
        id=row.id,
        pair_id=row.pair_id,
        left=Side(row.left),
        state=row.state,
        priority=row.priority,
        messages=row.messages,
        texts={Side.A: row.text_a, Side.B: row.text_b},
        finish_reasons={Side.A: row.finish_a, Side.B: row.finish_b},
    )


def claim(
    session: Session,
    project_id: int,
    user_id: int,
    minutes: int,
    left: Side,
    place: tuple[float, int] = START,
) -> Task | None:
    """The person's open lease, renewed, or a lease on the first pair behind `place` that they have not seen."""
    values = {"project": project_id, "user": user_id, "minutes": minutes, "left": left.value}
    return _task(session.execute(CLAIM_NEXT, values | {"rank": place[0], "after": place[1]}).one_or_none())


_ANYTHING_LEFT = text(
    """
    select exists (
        select from pair p
        where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose <> 'check'
          and not exists (select from assignment s where s.pair_id = p.id and s.annotator_id = :user))
    """
)


def anything_left(session: Session, project_id: int, user_id: int) -> bool:
    """Whether a pair waits that this person has not seen, be it locked by somebody's claim just now."""
    return bool(session.execute(_ANYTHING_LEFT, {"project": project_id, "user": user_id}).scalar_one())


def claim_check(session: Session, project_id: int, user_id: int, minutes: int, left: Side) -> Task | None:
    """The person's open lease, renewed, or a lease on an attention check that they have not seen."""
    values = {"project": project_id, "user": user_id, "minutes": minutes, "left": left.value}
    return _task(session.execute(_CLAIM_CHECK, values).one_or_none())


_REOPEN = text(
    """
    with back as (
        select s.id, s.pair_id from assignment s join pair p on p.id = s.pair_id
        where s.annotator_id = :user and s.project_id = :project and s.state = :state
          and p.slots_left > 0 and p.withdrawn_at is null
          and not exists (
            select from assignment o where o.annotator_id = :user and o.project_id = :project and o.state = 'open')
        order by s.id desc limit 1 for no key update of p
    ), leased as (
        update assignment set state = 'open', leased_at = now(), expires_at = now() + make_interval(mins => :minutes)
        where id in (select id from back) and state = :state
        returning id, pair_id, "left", state
    ), taken as (
        update pair set slots_left = slots_left - 1 where id in (select pair_id from leased)
    )
    """  # noqa: S608  fixed fragments of this module
    + _SHOWN.format(leases="leased")
)


def reopen(session: Session, project_id: int, user_id: int, minutes: int, state: str) -> Task | None:
    """Lease again the newest pair whose lease this person let expire, or skipped, where a slot is still free."""
    values = {"project": project_id, "user": user_id, "minutes": minutes, "state": state}
    return _task(session.execute(_REOPEN, values).one_or_none())


_TASK = text(
    _SHOWN.format(leases="assignment") + "where l.id = :id and l.annotator_id = :user and l.project_id = :project"
)


def task(session: Session, project_id: int, user_id: int, assignment_id: int) -> Task | None:
    """One of this person's assignments, in whatever state."""
    values = {"id": assignment_id, "user": user_id, "project": project_id}
    return _task(session.execute(_TASK, values).one_or_none())


_SKIP = text(
    """
    with held as (
        select p.id from pair p join assignment s on s.pair_id = p.id
        where s.id = :id and s.annotator_id = :user and s.project_id = :project and s.state = 'open'
        for no key update of p
    ), gone as (
        update assignment set state = 'skipped' where id = :id and state = 'open' and pair_id in (select id from held)
        returning pair_id
    )
    update pair set slots_left = slots_left + 1 where id in (select pair_id from gone) returning id
    """
)


def skip(session: Session, project_id: int, user_id: int, assignment_id: int) -> bool:
    """End an open lease as skipped and give its slot back; False where it was not open."""
    values = {"id": assignment_id, "user": user_id, "project": project_id}
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


_EXPIRE = text(
    """
    with due as (
        select s.id, p.id as pair_id from assignment s join pair p on p.id = s.pair_id
        where s.state = 'open' and s.expires_at < now() order by p.id limit :limit for no key update of p skip locked
    ), gone as (
        update assignment set state = 'expired'
        where id in (select id from due) and state = 'open' and expires_at < now() returning pair_id
    ), free as (
        select pair_id, count(*) as slots from gone group by pair_id
    )
    update pair set slots_left = slots_left + free.slots from free where pair.id = free.pair_id returning free.slots
    """
)


def expire(session: Session, limit: int) -> int:
    """End leases past their time and give the slots back; how many."""
    return int(sum(session.scalars(_EXPIRE, {"limit": limit})))


# Two statements: the second sees the leases of claims that the first had to wait for.
_WITHDRAW = text(
    """
    update pair set withdrawn_at = now() where project_id = :project and withdrawn_at is null
      and (prompt_id = any(:prompts) or id = any(:pairs)) returning id
    """
)
_END_LEASES = text(
    """
    with gone as (
        update assignment set state = 'expired' where pair_id = any(:pairs) and state = 'open' returning pair_id
    ), free as (
        select pair_id, count(*) as slots from gone group by pair_id
    )
    update pair set slots_left = slots_left + free.slots from free where pair.id = free.pair_id
    """
)


def withdraw(
    session: Session, project_id: int, *, prompt_ids: Sequence[int] = (), pair_ids: Sequence[int] = ()
) -> list[int]:
    """Take pairs, by themselves or with their prompts, out of the queue and end the leases on them; the pairs' ids."""
    values = {"project": project_id, "prompts": list(prompt_ids), "pairs": list(pair_ids)}
    ids = list(session.scalars(_WITHDRAW, values))
    session.execute(_END_LEASES, {"pairs": ids})
    return ids


def set_priorities(session: Session, project_id: int, priorities: dict[int, float]) -> int:
    """Give open training pairs outside the control arm new priorities; how many changed."""
    statement = text(
        """
        update pair set priority = given.priority
        from unnest(cast(:ids as bigint[]), cast(:priorities as double precision[])) as given(id, priority)
        where pair.id = given.id and pair.project_id = :project and not pair.control and pair.purpose = 'train'
          and pair.slots_left > 0
        returning pair.id
        """
    )
    values = {"project": project_id, "ids": list(priorities), "priorities": list(priorities.values())}
    return len(session.execute(statement, values).all())


def skipped_count(session: Session, project_id: int, user_id: int) -> int:
    """How many pairs this person skipped that still have a slot for them."""
    return int(
        session.execute(
            text(
                """
                select count(*) from assignment s join pair p on p.id = s.pair_id
                where s.annotator_id = :user and s.project_id = :project and s.state = 'skipped'
                  and p.slots_left > 0 and p.withdrawn_at is null
                """
            ),
            {"user": user_id, "project": project_id},
        ).scalar_one()
    )


def raise_overlap(session: Session, project_id: int, pair_ids: Sequence[int], extra: int) -> int:
    """Ask for more answers on these pairs; how many pairs changed."""
    statement = (
        update(Pair)
        .where(Pair.project_id == project_id, Pair.id.in_(pair_ids), Pair.withdrawn_at.is_(None))
        .values(overlap_target=Pair.overlap_target + extra, slots_left=Pair.slots_left + extra)
        .returning(Pair.id)
    )
    return len(session.scalars(statement).all())
