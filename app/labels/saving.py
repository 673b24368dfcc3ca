"""The SQL of the labelling screen: saving an answer, revising it, and what the screen tells about progress."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, func, select, text, update
from sqlalchemy.orm import Session, joinedload

from app.labels.answers import Answer
from app.models import Assignment, AssignmentState, Label, Pair, Purpose, Side
from app.pairs import queue
from app.projects.queries import STANDING

# How many comparisons a person first answered since a moment, by labels newer than `:counted`; their last label; the
# median of their last 20 times in seconds. Takes as long as there are labels newer than `:counted`.
_OWN = """
    select count(*) filter (where created_at >= :since and not exists (
               select from label first where first.assignment_id = fresh.assignment_id and first.id < fresh.id)) as new,
           coalesce(max(id), :counted) as last,
           (select percentile_cont(0.5) within group (order by seconds) from (
                select seconds from label where annotator_id = :user and project_id = :project and seconds is not null
                order by id desc limit 20) recent) as pace
    from (select id, assignment_id, created_at from label
          where annotator_id = :user and project_id = :project and id > :counted order by id desc) fresh
"""
_OWN_PROGRESS = text(_OWN)


@dataclass(frozen=True)
class Own:
    """A person's comparisons that were counted now, their last label, and their pace (median seconds)."""

    new: int
    last: int
    pace: float | None


def own_progress(session: Session, project_id: int, user_id: int, since: datetime, counted: int) -> Own:
    """What this person first answered since a moment by labels newer than `counted`."""
    values = {"user": user_id, "project": project_id, "since": since, "counted": counted}
    return Own(*session.execute(_OWN_PROGRESS, values).one())


# The usual case in one statement: the lease is open, so its slot is taken already and only changes its holder from a
# lease to a label. Whoever comes second (a double click, a resent request) finds the lease no longer open.
_ANSWERED = """
    answered as (
        update assignment set state = 'labelled' from pair
        where assignment.id = :id and annotator_id = :user and assignment.project_id = :project and state = 'open'
          and pair.id = pair_id and pair.withdrawn_at is null and {condition}
        returning assignment.id, pair_id, "left", case "left" when 'a' then 'b' else 'a' end as other,
                  expires_at < now() as late, pair.purpose, pair.expected
    ), saved as (
        insert into label (project_id, pair_id, annotator_id, assignment_id, choice, questions, strength, reasons,
                           comment, seconds, "left", late)
        select :project, pair_id, :user, id,
               case :choice when 'left' then "left" when 'right' then other else :choice end,
               coalesce((select jsonb_object_agg(key, case value when 'left' then "left" when 'right' then other
                                                                 else value end)
                         from jsonb_each_text(cast(:questions as jsonb))), '{{}}'),
               :strength, cast(:reasons as jsonb), :comment, :seconds, "left", late
        from answered returning id as label_id, choice
    )
"""
_ANSWER_OPEN = text(
    f"with {_ANSWERED.format(condition='true')} select label_id, choice, purpose, expected from saved, answered"  # noqa: S608  fixed
)


def answer_and_claim(condition: str, leasing: Callable[[str], str] = queue.leasing_next) -> TextClause:
    """The same where `condition` holds and no attention check is answered, which may pause the person; with it the pair
    that `leasing` finds, and the person's progress before this answer. They hold no other lease: nobody holds two."""
    answered = _ANSWERED.format(condition=f"pair.purpose <> 'check' and {condition}")
    return text(
        f"""
        with {answered}, {leasing("exists (select from answered)")}
        select label_id, own.*, task.* from saved cross join ({_OWN}) own
        left join ({queue.SHOWN.format(leases="leased")}) task on true
        """  # noqa: S608  fixed fragments of this module and the queue's
    )


ANSWER_AND_CLAIM = answer_and_claim(f"exists ({STANDING})")
ANSWER_AND_CLAIM_CHECK = answer_and_claim(f"exists ({STANDING})", queue.leasing_check)


@dataclass(frozen=True)
class Saved:
    """A new label, as far as the rules need to know it."""

    label_id: int
    choice: str
    purpose: Purpose
    expected: Side | None


def values_of(project_id: int, user_id: int, assignment_id: int, answer: Answer) -> dict[str, Any]:
    """An answer as the statements bind it."""
    return {
        "id": assignment_id,
        "user": user_id,
        "project": project_id,
        "choice": answer.choice,
        "strength": answer.strength,
        "questions": json.dumps(dict(answer.questions)),
        "reasons": json.dumps(answer.reasons),
        "comment": answer.comment,
        "seconds": answer.seconds,
    }


def answer_open(session: Session, values: dict[str, Any]) -> Saved | None:
    """Turn an open lease into a label; None where it is not open, not this person's, or its pair withdrawn."""
    row = session.execute(_ANSWER_OPEN, values).one_or_none()
    if row is None:
        return None
    return Saved(row.label_id, row.choice, Purpose(row.purpose), Side(row.expected) if row.expected else None)


def locked_assignment(session: Session, project_id: int, user_id: int, assignment_id: int) -> Assignment | None:
    """This person's assignment, locked. Where its lease ended without an answer the pair is locked before it, since a
    slot may be taken; a repeat or a revision takes none and holds up nobody."""
    mine = (
        Assignment.id == assignment_id,
        Assignment.annotator_id == user_id,
        Assignment.project_id == project_id,
    )
    ended = Assignment.state.in_((AssignmentState.EXPIRED, AssignmentState.SKIPPED))
    session.execute(
        select(Pair.id)
        .join(Assignment, Assignment.pair_id == Pair.id)
        .where(*mine, ended)
        .with_for_update(key_share=True, of=Pair)
    )
    return session.scalar(
        select(Assignment)
        .where(*mine)
        .options(joinedload(Assignment.pair))
        .with_for_update(key_share=True, of=Assignment)
        .execution_options(populate_existing=True)
    )


def take_slot(session: Session, pair_id: int) -> bool:
    """Take a slot of a pair outside the queue's order; False where none is free."""
    statement = (
        update(Pair)
        .where(Pair.id == pair_id, Pair.slots_left > 0)
        .values(slots_left=Pair.slots_left - 1)
        .returning(Pair.id)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement) is not None


def current_label(session: Session, pair_id: int, user_id: int) -> Label | None:
    """The revision that stands of a person's answer to a pair."""
    return session.scalar(
        select(Label).where(Label.pair_id == pair_id, Label.annotator_id == user_id, Label.superseded_at.is_(None))
    )


def add(session: Session, label: Label, supersedes: Label | None = None) -> Label:
    """Store a label; an older revision is kept, marked as superseded."""
    if supersedes is not None:
        supersedes.superseded_at = func.clock_timestamp()
        session.flush()
    session.add(label)
    session.flush()
    return label


def last_assignment(session: Session, project_id: int, user_id: int, before: int | None = None) -> int | None:
    """The newest comparison that this person finished (answered, skipped or let expire), older than `before`."""
    statement = select(Assignment.id).where(
        Assignment.annotator_id == user_id,
        Assignment.project_id == project_id,
        Assignment.state != AssignmentState.OPEN,
    )
    if before is not None:
        statement = statement.where(Assignment.id < before)
    return session.scalar(statement.order_by(Assignment.id.desc()).limit(1))


_LAST_BEFORE = text(
    """
    select id from label where annotator_id = :user and project_id = :project and created_at < :since
    order by created_at desc, id desc limit 1
    """
)


def last_label_before(session: Session, project_id: int, user_id: int, since: datetime) -> int:
    """This person's last label before a moment; 0 where there is none."""
    return session.execute(_LAST_BEFORE, {"user": user_id, "project": project_id, "since": since}).scalar() or 0


_TOTALS = text(
    """
    select (select count(*) from label
            where project_id = :project and superseded_at is null and not surplus),
           (select coalesce(sum(slots_left), 0) from (
                select slots_left from pair
                where project_id = :project and slots_left > 0 and withdrawn_at is null and purpose <> 'check'
                limit :most) waiting)
           + (select count(*) from assignment where project_id = :project and state = 'open')
    """
)
MOST_COUNTED = 20_000


def project_totals(session: Session, project_id: int) -> tuple[int, int]:
    """Labels that stand, and answers still asked for, those being given just now among them. Of a very long queue only
    the first MOST_COUNTED pairs are counted."""
    labels, wanted = session.execute(_TOTALS, {"project": project_id, "most": MOST_COUNTED}).one()
    return int(labels), int(wanted)


_MISSES = text(
    """
    select count(*) from (
        select first.choice <> p.expected as missed from (
            select distinct on (l.pair_id) l.pair_id, l.choice, l.id from label l join pair c on c.id = l.pair_id
            where l.annotator_id = :user and l.project_id = :project and c.purpose = 'check'
            order by l.pair_id, l.id
        ) first join pair p on p.id = first.pair_id
        where p.expected is not null
        order by first.id desc limit :window
    ) recent where missed
    """
)


def missed_checks(session: Session, project_id: int, user_id: int, window: int) -> int:
    """How many of this person's last `window` attention checks they missed; the first answer counts."""
    values = {"user": user_id, "project": project_id, "window": window}
    return int(session.execute(_MISSES, values).scalar_one())
