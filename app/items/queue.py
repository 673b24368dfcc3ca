"""The SQL of one person's leases. Each statement changes a lease together with the slot it takes or gives back;
`upkeep` has those that end or order everybody's.

Lock order, everywhere: the item before the assignment. A claim never waits for an item (SKIP LOCKED): it may come in
the same transaction as an answer, and two that waited for each other's items would be a deadlock. What two tabs of one
person race for is settled by two unique indexes: one open lease a person, one assignment a person and item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.models import Messages
from app.web.markdown import rendering

Place = tuple[int, float, int]
START: Place = (-1, 0.0, 0)
"""The place before the whole queue; a place is (level, rank, item id)."""


@dataclass(frozen=True)
class Displayed:
    """One response as it is displayed; `html` where it was kept and is not out of date."""

    text: str
    html: str | None
    finish_reason: str | None


@dataclass(frozen=True)
class Task:
    """What one person has before them: their lease and what it shows. `order` has the positions of the item's responses
    as they are displayed, `responses` the responses in that order."""

    id: int  # of the assignment
    item_id: int
    kind: str
    order: tuple[int, ...]
    state: str
    place: Place
    messages: Messages
    responses: tuple[Displayed, ...]
    prompt_html: list[str] | None  # of the messages, where it was kept and is not out of date

    @property
    def rendered(self) -> bool:
        """Whether all of its HTML was kept."""
        return self.prompt_html is not None and all(response.html is not None for response in self.responses)


SHOWN = f"""
select l.id, l.item_id, p.kind, l."order", l.state, p.level, p.rank, q.messages,
       case q.html_by when '{rendering()}' then q.html end as html_q, shown.responses
from {{leases}} l join item p on p.id = l.item_id join prompt q on q.id = p.prompt_id
cross join lateral (
    select json_agg(json_build_array(r.text, case r.html_by when '{rendering()}' then r.html end, r.finish_reason)
                    order by x.position) as responses
    from item_response x join response r on r.id = x.response_id where x.item_id = p.id and x.label_id is null
) shown
"""  # noqa: S608  fixed text

# What may be claimed, in the queue's order from a place on; and attention checks, in any order.
_OPEN = """
select p.id from item p
where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose <> 'check'
  and (p.level, p.rank, p.id) > (cast(:level as smallint), cast(:rank as float8), cast(:after as bigint))
  and not exists (select from assignment s where s.item_id = p.id and s.annotator_id = :user)
  and {condition}
order by p.level, p.rank, p.id limit 1 for no key update of p
"""
_CHECK = """
select p.id from item p
where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose = 'check'
  and not exists (select from assignment s where s.item_id = p.id and s.annotator_id = :user)
  and {condition}
order by random() limit 1 for no key update of p
"""


@dataclass(frozen=True)
class Claim:
    """How somebody's next item is looked for: for how long they get it, from which place of the queue on, and an order
    of as many positions as an item can have, of which the item takes its own."""

    project_id: int
    user_id: int
    minutes: int
    drawn: Sequence[int]
    place: Place = START
    kind: str | None = None  # where only items of this one are wanted

    @property
    def values(self) -> dict[str, Any]:
        """As the statements of this module bind them."""
        level, rank, after = self.place
        return {
            "project": self.project_id,
            "user": self.user_id,
            "minutes": self.minutes,
            "drawn": "{" + ",".join(map(str, self.drawn)) + "}",  # as text: a list costs psycopg ten times as much
            "level": level,
            "rank": rank,
            "after": after,
            "asked": self.kind,
        }


def _leasing(pick: str, condition: str) -> str:
    """The common table expressions of a new lease with its slot, where `condition` holds."""
    return f"""
        picked as (
            {pick.format(condition=condition)} skip locked
        ), leased as (
            insert into assignment (project_id, item_id, annotator_id, "order", state, expires_at)
            select :project, id, :user,
                   array(select x.position from item_response x where x.item_id = picked.id and x.label_id is null
                         order by array_position(cast(:drawn as smallint[]), x.position)),
                   'open', now() + make_interval(mins => :minutes) from picked
            on conflict do nothing
            returning id, item_id, "order", state
        ), taken as (
            update item set slots_left = slots_left - 1 where id in (select item_id from leased)
        )
        """  # noqa: S608  fixed fragments of this module


def leasing_next(condition: str) -> str:
    """The same for the next item in order, to be part of another statement; the lease is in `leased`, see `SHOWN`."""
    return _leasing(_OPEN, condition)


def leasing_check(condition: str) -> str:
    """The same for an attention check."""
    return _leasing(_CHECK, condition)


def _claim(pick: str, more: str = "") -> TextClause:
    """The whole claim in one statement: the lease that is held already, renewed, or a new one with its slot."""
    return text(
        f"""
        with held as (
            update assignment set expires_at = now() + make_interval(mins => :minutes)
            where annotator_id = :user and project_id = :project and state = 'open'
            returning id, item_id, "order", state
        ), {_leasing(pick, f"not exists (select from held) {more}")}, mine as (
            select * from held union all select * from leased
        )
        """  # noqa: S608  fixed fragments of this module
        + SHOWN.format(leases="mine")
    )


CLAIM_NEXT = _claim(_OPEN)
_CLAIM_CHECK = _claim(_CHECK)
_OF_KIND = "and p.kind = :asked"
_CLAIM_OF_KIND = _claim(_OPEN, _OF_KIND)
_CLAIM_CHECK_OF_KIND = _claim(_CHECK, _OF_KIND)


def task_in(row: Any) -> Task | None:
    """What a row of `SHOWN` says; None without a row, or where nothing was joined to it."""
    if row is None or row.id is None:
        return None
    stored = row.responses or []
    return Task(
        id=row.id,
        item_id=row.item_id,
        kind=row.kind,
        order=tuple(row.order),
        state=row.state,
        place=(row.level, row.rank, row.item_id),
        messages=row.messages,
        responses=tuple(Displayed(*stored[position]) for position in row.order),
        prompt_html=row.html_q,
    )


def claim(session: Session, wanted: Claim) -> Task | None:
    """The person's open lease, renewed, or a lease on the first item behind a place that they have not seen."""
    statement = _CLAIM_OF_KIND if wanted.kind else CLAIM_NEXT
    return task_in(session.execute(statement, wanted.values).one_or_none())


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


def claim_check(session: Session, wanted: Claim) -> Task | None:
    """The person's open lease, renewed, or a lease on an attention check that they have not seen."""
    statement = _CLAIM_CHECK_OF_KIND if wanted.kind else _CLAIM_CHECK
    return task_in(session.execute(statement, wanted.values).one_or_none())


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
        update assignment set state = 'open', leased_at = now(), expires_at = now() + make_interval(mins => :minutes)
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
        update assignment set state = 'skipped' where id = :id and state = 'open' and item_id in (select id from held)
        returning item_id
    )
    update item set slots_left = slots_left + 1 where id in (select item_id from gone) returning id
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
