"""The SQL of the labelling turn: an answer saved with its preferences, the next item leased and the progress counted,
all in one statement."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from app.items import queue
from app.labels.answers import Answer
from app.models import Purpose
from app.projects.queries import STANDING

# How many items of the queue a person first answered since a moment, by labels newer than `:counted`; their last label;
# the median of their last 20 times in seconds. Takes as long as there are labels newer than `:counted`.
OWN = """
    select count(*) filter (where created_at >= :since and id = (
               select min(id) from label first where first.assignment_id = fresh.assignment_id)) as new,
           coalesce(max(id), :counted) as last,
           (select percentile_cont(0.5) within group (order by seconds) from (
                select seconds from label where annotator_id = :user and project_id = :project and seconds is not null
                order by id desc limit 20) recent) as pace
    from (select id, assignment_id, created_at from label
          where annotator_id = :user and project_id = :project and id > :counted order by id desc) fresh
"""

# The usual case in one statement: the lease is open, so its slot is taken already and only changes its holder from a
# lease to a label. Whoever comes second (a double click, a resent request) finds the lease no longer open.
_ANSWERED = """
    answered as (
        update assignment set state = 'labelled' from item
        where assignment.id = :id and annotator_id = :user and assignment.project_id = :project and state = 'open'
          and item.id = item_id and item.kind = :kind and item.withdrawn_at is null and {condition}
        returning assignment.id, item_id, "order", expires_at < now() as late, item.purpose, item.expected
    ), saved as (
        insert into label (project_id, item_id, annotator_id, assignment_id, value, reasons, comment, seconds, "order",
                           late)
        select :project, item_id, :user, id, cast(:value as jsonb), cast(:reasons as jsonb), :comment, :seconds,
               "order", late
        from answered returning id as label_id, "order"
    ), {preferring}
"""


def preferring(saved: str) -> str:
    """The common table expression that writes the preferences of the labels in `saved` (label_id, "order"): the one
    place where what was said of displayed places becomes what holds of the item's positions."""
    return f"""
    preferred as (
        insert into preference (label_id, question, first, second, outcome, probability, strength)
        select label_id, question, least(a, b), greatest(a, b),
               case when a < b then outcome when outcome = 'first' then 'second' when outcome = 'second' then 'first'
                    else outcome end,
               case when a < b then probability else 1 - probability end, strength
        from (
            select saved.label_id, said.*, saved."order"[said.place + 1] as a, saved."order"[said.other + 1] as b
            from {saved}, jsonb_to_recordset(cast(:preferences as jsonb))
                as said(question text, place int, other int, outcome text, probability float8, strength smallint)
        ) stated
    )
    """  # noqa: S608  fixed fragments


def _answered(condition: str) -> str:
    return _ANSWERED.format(condition=condition, preferring=preferring("saved"))


_ANSWER_OPEN = text(
    f"""
    with {_answered("true")} select label_id, purpose, expected, answered."order" from saved cross join answered
    """  # noqa: S608  fixed fragments of this module
)


def answer_and_claim(condition: str, leasing: Callable[[str], str] = queue.leasing_next) -> TextClause:
    """The same where `condition` holds and no attention check is answered, which may pause the person; with it the item
    that `leasing` finds, and the person's progress before this answer. They hold no other lease: nobody holds two."""
    answered = _answered(f"item.purpose <> 'check' and {condition}")
    return text(
        f"""
        with {answered}, {leasing("exists (select from answered)")}
        select label_id, own.*, task.* from saved cross join ({OWN}) own
        left join ({queue.SHOWN.format(leases="leased")}) task on true
        """  # noqa: S608  fixed fragments of this module and the queue's
    )


ANSWER_AND_CLAIM = answer_and_claim(f"exists ({STANDING})")
ANSWER_AND_CLAIM_CHECK = answer_and_claim(f"exists ({STANDING})", queue.leasing_check)


@dataclass(frozen=True)
class Given:
    """Whose answer it is, and to which lease."""

    project_id: int
    user_id: int
    assignment_id: int
    answer: Answer

    @property
    def values(self) -> dict[str, Any]:
        """As the statements of this module bind them."""
        answer = self.answer
        return {
            "id": self.assignment_id,
            "user": self.user_id,
            "project": self.project_id,
            "kind": answer.value.kind,
            "value": answer.value.model_dump_json(),
            "preferences": json.dumps(answer.preferences),
            "reasons": json.dumps(answer.reasons),
            "comment": answer.comment,
            "seconds": answer.seconds,
        }


@dataclass(frozen=True)
class Saved:
    """A new label, as far as the rules need to know it."""

    label_id: int
    purpose: Purpose
    expected: dict[str, Any] | None
    order: tuple[int, ...]


def answer_open(session: Session, given: Given) -> Saved | None:
    """Turn an open lease into a label; None where it is not open, not this person's, of another kind, or its item
    withdrawn."""
    row = session.execute(_ANSWER_OPEN, given.values).one_or_none()
    return None if row is None else Saved(row.label_id, Purpose(row.purpose), row.expected, tuple(row.order))
