"""The SQL of the queue as a whole: leases that ran out, pairs taken out of it, their order, more answers asked for.

The lock order is that of `app.pairs.queue`: the pair before the assignment.
"""

from collections.abc import Sequence

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.models import Pair

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


def raise_overlap(session: Session, project_id: int, pair_ids: Sequence[int], extra: int) -> int:
    """Ask for more answers on these pairs; how many pairs changed."""
    statement = (
        update(Pair)
        .where(Pair.project_id == project_id, Pair.id.in_(pair_ids), Pair.withdrawn_at.is_(None))
        .values(overlap_target=Pair.overlap_target + extra, slots_left=Pair.slots_left + extra)
        .returning(Pair.id)
    )
    return len(session.scalars(statement).all())
