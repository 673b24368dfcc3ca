"""The SQL of the labelling turn: the next item leased, a label saved with its preferences, the progress counted; each
alone, and all of it in one statement.

Lock order, everywhere: the item before the assignment. A claim never waits for an item (SKIP LOCKED): it may come in
the same transaction as a label, and two that waited for each other's items would be a deadlock. What two tabs of one
person race for is settled by two unique indexes: one open lease a person, one assignment a person and item.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.labels.new_label import NewLabel
from app.labels.task import SHOWN, START, Place, Task, task_in
from app.models import Purpose
from app.projects.queries import STANDING, StandingParameters


class Parameters(StandingParameters, total=False):
    """What the statements of this module bind, by the names that they bind it; each takes some of it, beside the
    `project` and the `user` that all of them are about."""

    # The search for the next item, see `searching`.
    minutes: int
    order: str
    level: int
    rank: float
    after: int
    wanted: str | None
    # The label, see `labelling`.
    id: int
    kind: str
    value: str
    preferences: str
    reasons: str
    comment: str | None
    seconds: float | None
    instructions: int | None
    # The progress, see `LabelledSince`.
    since: datetime
    counted: int


def searching(
    project_id: int,
    user_id: int,
    minutes: int,
    order: Sequence[int],
    place: Place = START,
    kind: str | None = None,
) -> Parameters:
    """How somebody's next item is looked for: for how long they get it, an order of as many positions as an item can
    have, of which the item takes its own, from which place of the queue on, and its kind where only one is wanted."""
    level, rank, after = place
    return {
        "project": project_id,
        "user": user_id,
        "minutes": minutes,
        "order": "{" + ",".join(map(str, order)) + "}",  # as text: a list costs psycopg ten times as much
        "level": level,
        "rank": rank,
        "after": after,
        "wanted": kind,
    }


def from_head(searched: Parameters) -> Parameters:
    """The same search from the head of the queue."""
    level, rank, after = START
    return {**searched, "level": level, "rank": rank, "after": after}


def labelling(
    project_id: int, user_id: int, assignment_id: int, new: NewLabel, instructions_id: int | None
) -> Parameters:
    """Whose label it is, of which lease, what it says, and under which version of the guidelines and questions."""
    return {
        "project": project_id,
        "user": user_id,
        "id": assignment_id,
        "kind": new.value.kind,
        "value": new.value.model_dump_json(),
        "preferences": json.dumps(new.preferences),
        "reasons": json.dumps(new.reasons) if new.reasons else "[]",
        "comment": new.comment,
        "seconds": new.seconds,
        "instructions": instructions_id,
    }


# What may be claimed, in the queue's order from a place on; and attention checks, in any order. The sum and the offset
# leave the planner no index but the item's: a plan from when the table was small read all that a person had ever had.
_NEXT = """
select p.id from item p
where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose <> 'check'
  and (p.level, p.rank, p.id) > (cast(:level as smallint), cast(:rank as float8), cast(:after as bigint))
  and not exists (select from assignment s where s.item_id = p.id and s.annotator_id + 0 = :user offset 0)
  and {condition}
order by p.level, p.rank, p.id limit 1 for no key update of p
"""
_CHECK = """
select p.id from item p
where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose = 'check'
  and not exists (select from assignment s where s.item_id = p.id and s.annotator_id + 0 = :user offset 0)
  and {condition}
order by random() limit 1 for no key update of p
"""


def _leasing(pick: str, condition: str) -> str:
    """The common table expressions of a new lease with its slot, where `condition` holds; the lease is in `leased`."""
    return f"""
        picked as (
            {pick.format(condition=condition)} skip locked
        ), leased as (
            insert into assignment (project_id, item_id, annotator_id, "order", state, expires_at)
            select :project, id, :user,
                   array(select x.position from item_response x where x.item_id = picked.id and x.label_id is null
                         order by array_position(cast(:order as smallint[]), x.position)),
                   'open', now() + make_interval(mins => :minutes) from picked
            on conflict do nothing
            returning id, item_id, "order", state
        ), taken as (
            update item set slots_left = slots_left - 1 where id in (select item_id from leased)
        )
        """  # noqa: S608  fixed fragments of this module


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


CLAIM = _claim(_NEXT)
_OF_KIND = "and p.kind = :wanted"
_CLAIMS = {  # by whether it is an attention check, and whether a kind is wanted
    (False, False): CLAIM,
    (False, True): _claim(_NEXT, _OF_KIND),
    (True, False): _claim(_CHECK),
    (True, True): _claim(_CHECK, _OF_KIND),
}


def claim(session: Session, searched: Parameters, check: bool = False) -> Task | None:
    """The person's open lease, renewed, or a lease on the first item behind a place that they have not seen; with
    `check`, on an attention check."""
    statement = _CLAIMS[check, searched["wanted"] is not None]
    return task_in(session.execute(statement, searched).one_or_none())


# The lease is open, so its slot is taken already and only changes its holder from a lease to a label. Whoever comes
# second (a double click, a resent request) finds the lease no longer open.
_SAVING = """
    labelled as (
        update assignment set state = 'labelled' from item
        where assignment.id = :id and annotator_id + 0 = :user and assignment.project_id = :project and state = 'open'
          and item.id = item_id and item.kind = :kind and item.withdrawn_at is null and {condition}
        returning assignment.id, item_id, "order", expires_at < now() as late, item.purpose, item.expected
    ), saved as (
        insert into label (project_id, item_id, annotator_id, assignment_id, value, reasons, comment, seconds, "order",
                           late, instructions_id)
        select :project, item_id, :user, id, cast(:value as jsonb), cast(:reasons as jsonb), :comment, :seconds,
               "order", late, :instructions
        from labelled returning id as label_id, "order"
    ), {preferring}
"""


def preferring(saved: str, said: str = "cast(:preferences as jsonb)", *, raters: bool = False) -> str:
    """The common table expression that writes the preferences of the labels in `saved` (label_id, "order"): the one
    place where what was said of displayed places becomes what holds of the item's positions. `said` has the preferences
    of each; with `raters`, how many people speak through each of them, who else is one."""
    more, also = (", raters", ", raters int") if raters else ("", "")
    return f"""
    preferred as (
        insert into preference (label_id, question, first, second, outcome, probability, strength{more})
        select label_id, question, least(a, b), greatest(a, b),
               case when a < b then outcome when outcome = 'first' then 'second' when outcome = 'second' then 'first'
                    else outcome end,
               case when a < b then probability else 1 - probability end, strength{more}
        from (
            select saved.label_id, said.*, saved."order"[said.place + 1] as a, saved."order"[said.other + 1] as b
            from {saved}, jsonb_to_recordset({said})
                as said(question text, place int, other int, outcome text, probability float8, strength smallint{also})
        ) stated
    )
    """  # noqa: S608  fixed fragments


def _saving(condition: str) -> str:
    return _SAVING.format(condition=condition, preferring=preferring("saved"))


_SAVE_OPEN = text(
    f"""
    with {_saving("true")} select label_id, purpose, expected, labelled."order" from saved cross join labelled
    """  # noqa: S608  fixed fragments of this module
)


@dataclass(frozen=True)
class Saved:
    """A new label, as far as the rules need to know it."""

    label_id: int
    purpose: Purpose
    expected: dict[str, Any] | None
    order: tuple[int, ...]


def save_open(session: Session, labelled: Parameters) -> Saved | None:
    """Turn an open lease into a label; None where it is not open, not this person's, of another kind, or its item
    withdrawn."""
    row = session.execute(_SAVE_OPEN, labelled).one_or_none()
    return None if row is None else Saved(row.label_id, Purpose(row.purpose), row.expected, tuple(row.order))


_PREFER = text(
    f"""with {preferring('(select id as label_id, "order" from label where id = :id) saved')} select"""  # noqa: S608  fixed fragments
)


def prefer(session: Session, label_id: int, new: NewLabel) -> None:
    """Write down who prefers what by a label that is there."""
    stated: Parameters = {"id": label_id, "preferences": json.dumps(new.preferences)}
    session.execute(_PREFER, stated)


# How many items of the queue a person first labelled since a moment, by labels newer than `:counted`; their last label;
# the median of their last 20 times in seconds. Takes as long as there are labels newer than `:counted`; of `min(id)`
# alone the planner would make a search through all labels in the order of their ids.
_SINCE = """
    select count(*) filter (where created_at >= :since and id = (
               select min(id + 0) from label first where first.assignment_id = fresh.assignment_id)) as new,
           coalesce(max(id), :counted) as last,
           (select percentile_cont(0.5) within group (order by seconds) from (
                select seconds from label where annotator_id = :user and project_id = :project and seconds is not null
                order by id desc limit 20) recent) as pace
    from (select id, assignment_id, created_at from label
          where annotator_id = :user and project_id = :project and id > :counted order by id desc) fresh
"""

COUNT_SINCE = text(_SINCE)


@dataclass(frozen=True)
class LabelledSince:
    """A person's items that were counted now, their last label, and their pace (median seconds)."""

    new: int
    last: int
    pace: float | None


def progress_since(session: Session, project_id: int, user_id: int, since: datetime, counted: int) -> LabelledSince:
    """What this person first labelled since a moment by labels newer than `counted`."""
    asked: Parameters = {"user": user_id, "project": project_id, "since": since, "counted": counted}
    return LabelledSince(*session.execute(COUNT_SINCE, asked).one())


def save_and_claim(condition: str, pick: str = _NEXT) -> TextClause:
    """An open lease made a label where `condition` holds and it is no attention check, which may pause the person; with
    it the next item, and the person's progress before this label. They hold no other lease: nobody holds two."""
    saving = _saving(f"item.purpose <> 'check' and {condition}")
    return text(
        f"""
        with {saving}, {_leasing(pick, "exists (select from labelled)")}
        select label_id, own.*, task.* from saved cross join ({_SINCE}) own
        left join ({SHOWN.format(leases="leased")}) task on true
        """  # noqa: S608  fixed fragments of this module and of `app.labels.task`
    )


SAVE_AND_CLAIM = save_and_claim(f"exists ({STANDING})")
SAVE_AND_CLAIM_CHECK = save_and_claim(f"exists ({STANDING})", _CHECK)
