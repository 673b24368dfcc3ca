"""The SQL of the queue as a whole: leases that ran out, items taken out of it, their order, more labels asked for.

The lock order is that of `app.labels.turn`: the item before the assignment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, text, update
from sqlalchemy.orm import Session

from app import bulk
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


@dataclass(frozen=True)
class Waiting:
    """A training item that waits for labels: held_out or of the random share, it is asked in random order."""

    id: int
    prompt_id: int
    rank: float
    control: bool
    held_out: bool
    responses: list[int]


_WAITING = text(
    """
    select i.id, i.prompt_id, i.rank, i.control,
           (select q.split = 'holdout' from prompt q where q.id = i.prompt_id) as held_out,
           array(select x.response_id from item_response x where x.item_id = i.id and x.label_id is null
                 order by x.position) as responses
    from item i
    where i.project_id = :project and i.slots_left > 0 and i.withdrawn_at is null and i.purpose <> 'check'
      and i.level = :level
    order by i.level, i.rank, i.id limit :limit
    """
)


def waiting(session: Session, project_id: int, limit: int) -> list[Waiting]:
    """The training items that wait, in the queue's order, up to `limit`.

    They are read along the queue's index. That marks entries of it as dead, whose room the next ones take; read in
    another way and sorted, they would stay until the next vacuum, and the index would grow with the ranks that change.
    """
    session.execute(text("set local enable_sort = off"))
    rows = session.execute(_WAITING, {"project": project_id, "level": Level.TRAIN, "limit": limit}).all()
    session.execute(text("set local enable_sort to default"))
    return [Waiting(*row) for row in rows]


# Items are locked in the order of their ids, and one that is being claimed or answered is passed over until next time.
_PLACE = text(
    """
    with given as (
        select id, rank from unnest(cast(:ids as bigint[]), cast(:ranks as float8[])) as given(id, rank)
    ), free as (
        select i.id, given.rank from item i join given on given.id = i.id
        where i.project_id = :project and i.level = :level and i.slots_left > 0 and i.withdrawn_at is null
        order by i.id for no key update of i skip locked
    )
    update item set rank = free.rank from free where item.id = free.id
    """
)


def place(session: Session, project_id: int, ranks: Mapping[int, float]) -> None:
    """Give waiting training items new ranks: below 0 comes before all that nobody has placed."""
    values = {"project": project_id, "level": Level.TRAIN, "ids": list(ranks), "ranks": list(ranks.values())}
    session.execute(_PLACE, values)


def raise_overlap(
    session: Session, project_id: int, item_ids: Sequence[int], extra: int, *, done: bool = False
) -> list[int]:
    """Ask for more labels on these items, or on those of them that wait for none; the ids of the items that changed."""
    changed = (
        update(Item)
        .where(
            Item.project_id == project_id,
            bulk.among(Item.id, item_ids),
            Item.withdrawn_at.is_(None),
            Item.purpose != Purpose.CHAT,  # of those only their own person is asked
        )
        .values(overlap_target=Item.overlap_target + extra, slots_left=Item.slots_left + extra)
        .returning(Item.id)
    )
    return list(session.scalars(changed.where(Item.slots_left == 0) if done else changed))


def put_first(session: Session, project_id: int, item_ids: Sequence[int]) -> list[int]:
    """Let those of these training items that wait come before the others; the ids of those that changed."""
    changed = (
        update(Item)
        .where(
            Item.project_id == project_id,
            bulk.among(Item.id, item_ids),
            Item.withdrawn_at.is_(None),
            Item.slots_left > 0,
            Item.purpose != Purpose.CHECK,
            Item.level > Level.AGAIN,
        )
        .values(level=Level.AGAIN)
        .returning(Item.id)
    )
    return list(session.scalars(changed))


# Items that wait and were made for another number of labels than `:overlap`. Where somebody has labelled one, no fewer
# are asked for: it may have been asked again.
OFF_OVERLAP = """
    purpose = 'train' and withdrawn_at is null
    and (slots_left > 0 and overlap_target < :overlap or slots_left = overlap_target and overlap_target > :overlap)
"""
MOST_CHANGED = 100_000
_ADOPT_OVERLAP = text(
    f"""
    update item set slots_left = slots_left + :overlap - overlap_target, overlap_target = :overlap
    where id = any(array(select id from item where project_id = :project and {OFF_OVERLAP} order by id limit :most))
      and {OFF_OVERLAP} returning id
    """  # noqa: S608  fixed fragments of this module
)


def adopt_overlap(session: Session, project_id: int, overlap: int) -> int:
    """Ask for `overlap` labels on items that wait for another number of them, at most MOST_CHANGED items; how many."""
    return len(session.scalars(_ADOPT_OVERLAP, {"project": project_id, "overlap": overlap, "most": MOST_CHANGED}).all())


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
            exists().where(ItemResponse.item_id == Item.id),  # one that shows no response is as good as ever
        )
        .values(withdrawn_at=now)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]
