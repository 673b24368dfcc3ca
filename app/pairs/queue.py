"""The SQL of one person's leases. Each statement changes a lease together with the slot it takes or gives back;
`upkeep` has those that end or order everybody's.

Lock order, everywhere: the pair before the assignment. A claim never waits for a pair (SKIP LOCKED): it may come in the
same transaction as an answer, and two that waited for each other's pairs would be a deadlock. What two tabs
of one person race for is settled by two unique indexes: one open lease a person, one assignment a person and pair.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.models import Side
from app.web.markdown import rendering

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
    html: dict[Side, str | None]  # of the texts, where it was kept and is not out of date
    prompt_html: list[str] | None  # of the messages, likewise
    finish_reasons: dict[Side, str]

    @property
    def rendered(self) -> bool:
        """Whether all of its HTML was kept."""
        return self.prompt_html is not None and None not in self.html.values()

    @property
    def right(self) -> Side:
        """The side displayed on the right."""
        return self.left.other


SHOWN = f"""
select l.id, l.pair_id, l."left", l.state, p.priority, q.messages, a.text as text_a, b.text as text_b,
       case q.html_by when '{rendering()}' then q.html end as html_q,
       case a.html_by when '{rendering()}' then a.html end as html_a,
       case b.html_by when '{rendering()}' then b.html end as html_b,
       a.finish_reason as finish_a, b.finish_reason as finish_b
from {{leases}} l join pair p on p.id = l.pair_id join prompt q on q.id = p.prompt_id
join response a on a.id = p.response_a_id join response b on b.id = p.response_b_id
"""  # noqa: S608  fixed text

# What may be claimed, in the queue's order from a place on; and attention checks, in any order.
_OPEN = """
select p.id from pair p
where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose <> 'check'
  and ((-p.priority), p.id) > (cast(:rank as double precision), cast(:after as bigint))
  and not exists (select from assignment s where s.pair_id = p.id and s.annotator_id = :user)
  and {condition}
order by (-p.priority), p.id limit 1 for no key update of p
"""
_CHECK = """
select p.id from pair p
where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose = 'check'
  and not exists (select from assignment s where s.pair_id = p.id and s.annotator_id = :user)
  and {condition}
order by random() limit 1 for no key update of p
"""


def _leasing(pick: str, condition: str) -> str:
    """The common table expressions of a new lease with its slot, where `condition` holds."""
    return f"""
        picked as (
            {pick.format(condition=condition)} skip locked
        ), leased as (
            insert into assignment (project_id, pair_id, annotator_id, "left", state, expires_at)
            select :project, id, :user, :left, 'open', now() + make_interval(mins => :minutes) from picked
            on conflict do nothing
            returning id, pair_id, "left", state
        ), taken as (
            update pair set slots_left = slots_left - 1 where id in (select pair_id from leased)
        )
        """  # noqa: S608  fixed fragments of this module


def leasing_next(condition: str) -> str:
    """The same for the next pair in order, to be part of another statement; the lease is in `leased`, see `SHOWN`."""
    return _leasing(_OPEN, condition)


def leasing_check(condition: str) -> str:
    """The same for an attention check."""
    return _leasing(_CHECK, condition)


def _claim(pick: str) -> TextClause:
    """The whole claim in one statement: the lease that is held already, renewed, or a new one with its slot."""
    return text(
        f"""
        with held as (
            update assignment set expires_at = now() + make_interval(mins => :minutes)
            where annotator_id = :user and project_id = :project and state = 'open'
            returning id, pair_id, "left", state
        ), {_leasing(pick, "not exists (select from held)")}, mine as (
            select * from held union all select * from leased
        )
        """  # noqa: S608  fixed fragments of this module
        + SHOWN.format(leases="mine")
    )


CLAIM_NEXT = _claim(_OPEN)
_CLAIM_CHECK = _claim(_CHECK)


def task_in(row: Any) -> Task | None:
    """What a row of `SHOWN` says; None without a row, or where nothing was joined to it."""
    if row is None or row.id is None:
        return None
    return Task(
        id=row.id,
        pair_id=row.pair_id,
        left=Side(row.left),
        state=row.state,
        priority=row.priority,
        messages=row.messages,
        texts={Side.A: row.text_a, Side.B: row.text_b},
        html={Side.A: row.html_a, Side.B: row.html_b},
        prompt_html=row.html_q,
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
    return task_in(session.execute(CLAIM_NEXT, values | {"rank": place[0], "after": place[1]}).one_or_none())


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
    return task_in(session.execute(_CLAIM_CHECK, values).one_or_none())


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
    + SHOWN.format(leases="leased")
)


def reopen(session: Session, project_id: int, user_id: int, minutes: int, state: str) -> Task | None:
    """Lease again the newest pair whose lease this person let expire, or skipped, where a slot is still free."""
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
