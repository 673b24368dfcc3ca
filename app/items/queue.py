"""The SQL of the queue as a whole: leases that ran out, items taken out of it, their order, more answers asked for.

The lock order is that of `app.labels.turn`: the item before the assignment.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, text, update
from sqlalchemy.orm import Session

from app.models import Item, ItemResponse, Level, Purpose

_EXPIRE = text(
    """
    with due as (
        select s.id, p.id as item_id from assignment s join item p on p.id = s.item_id
        where s.state = 'open' and s.expires_at < now() order by p.id limit :limit for no key update of p skip locked
    ), gone as (
        update assignment set state = 'expired'
        where id in (select id from due) and state = 'open' and expires_at < now() returning item_id
    ), free as (
        select item_id, count(*) as slots from gone group by item_id
    )
    update item set slots_left = slots_left + free.slots from free where item.id = free.item_id returning free.slots
    """
)


def expire(session: Session, limit: int) -> int:
    """End leases past their time and give the slots back; how many."""
    return int(sum(session.scalars(_EXPIRE, {"limit": limit})))


# Two statements: the second sees the leases of claims that the first had to wait for.
_WITHDRAW = text(
    """
    update item set withdrawn_at = now() where project_id = :project and withdrawn_at is null
      and (prompt_id = any(:prompts) or id = any(:items)) returning id
    """
)
_END_LEASES = text(
    """
    with gone as (
        update assignment set state = 'expired' where item_id = any(:items) and state = 'open' returning item_id
    ), free as (
        select item_id, count(*) as slots from gone group by item_id
    )
    update item set slots_left = slots_left + free.slots from free where item.id = free.item_id
    """
)


def withdraw(
    session: Session, project_id: int, *, prompt_ids: Sequence[int] = (), item_ids: Sequence[int] = ()
) -> list[int]:
    """Take items, by themselves or with their prompts, out of the queue and end the leases on them; the items' ids."""
    values = {"project": project_id, "prompts": list(prompt_ids), "items": list(item_ids)}
    ids = list(session.scalars(_WITHDRAW, values))
    session.execute(_END_LEASES, {"items": ids})
    return ids


def set_ranks(session: Session, project_id: int, ranks: dict[int, float]) -> int:
    """Give open training items outside the random share new ranks; how many changed."""
    statement = text(
        """
        update item set rank = given.rank
        from unnest(cast(:ids as bigint[]), cast(:ranks as float8[])) as given(id, rank)
        where item.id = given.id and item.project_id = :project and not item.control and item.level = :level
          and item.slots_left > 0
        returning item.id
        """
    )
    values = {"project": project_id, "level": Level.TRAIN, "ids": list(ranks), "ranks": list(ranks.values())}
    return len(session.execute(statement, values).all())


def raise_overlap(session: Session, project_id: int, item_ids: Sequence[int], extra: int) -> int:
    """Ask for more answers on these items; how many items changed."""
    statement = (
        update(Item)
        .where(
            Item.project_id == project_id,
            Item.id.in_(item_ids),
            Item.withdrawn_at.is_(None),
            Item.purpose != Purpose.CHAT,  # of those only their own person is asked
        )
        .values(overlap_target=Item.overlap_target + extra, slots_left=Item.slots_left + extra)
        .returning(Item.id)
    )
    return len(session.scalars(statement).all())


def withdraw_untouched(session: Session, project_id: int, now: datetime) -> int:
    """Withdraw training items that nobody has labelled or holds, so that new ones from the new policy take their
    place; how many. An item that is leased meanwhile stays."""
    done = session.execute(
        update(Item)
        .where(
            Item.project_id == project_id,
            Item.purpose == Purpose.TRAIN,
            Item.withdrawn_at.is_(None),
            Item.slots_left > 0,
            Item.slots_left == Item.overlap_target,
            exists().where(ItemResponse.item_id == Item.id),  # one that shows no answer is as good as ever
        )
        .values(withdrawn_at=now)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]
