"""The SQL beside the labelling turn: labels for leases that ended, revisions, and what the screen tells of progress."""

from datetime import datetime

from sqlalchemy import func, select, text, true, update
from sqlalchemy.orm import Session, joinedload

from app.labels import turn
from app.labels.new_label import NewLabel
from app.models import Assignment, AssignmentState, Item, Label


def locked_assignment(
    session: Session, project_id: int, user_id: int, assignment_id: int, *, hold_item: bool = False
) -> Assignment | None:
    """This person's assignment, locked. Where its lease ended without a label the item is locked before it, since a
    slot may be taken; a repeat or a revision takes none and holds up nobody, unless `hold_item` asks for the item."""
    mine = (
        Assignment.id == assignment_id,
        Assignment.annotator_id == user_id,
        Assignment.project_id == project_id,
    )
    ended = Assignment.state.in_((AssignmentState.EXPIRED, AssignmentState.SKIPPED))
    session.execute(
        select(Item.id)
        .join(Assignment, Assignment.item_id == Item.id)
        .where(*mine, true() if hold_item else ended)
        .with_for_update(key_share=True, of=Item)
    )
    return session.scalar(
        select(Assignment)
        .where(*mine)
        .options(joinedload(Assignment.item))
        .with_for_update(key_share=True, of=Assignment)
        .execution_options(populate_existing=True)
    )


def has_expired(session: Session, assignment: Assignment) -> bool:
    """Whether a lease has run out."""
    return bool(session.scalar(select(Assignment.expires_at < func.now()).where(Assignment.id == assignment.id)))


def take_slot(session: Session, item_id: int) -> bool:
    """Take a slot of an item outside the queue's order; False where none is free."""
    statement = (
        update(Item)
        .where(Item.id == item_id, Item.slots_left > 0)
        .values(slots_left=Item.slots_left - 1)
        .returning(Item.id)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement) is not None


def current_label(session: Session, user_id: int, item_id: int) -> Label | None:
    """The revision that stands of a person's label of an item."""
    return session.scalar(
        select(Label).where(Label.item_id == item_id, Label.annotator_id == user_id, Label.superseded_at.is_(None))
    )


def add(session: Session, label: Label, new: NewLabel, supersedes: Label | None = None) -> Label:
    """Store a label and who prefers what by it; an older revision is kept, marked as superseded."""
    if supersedes is not None:
        supersedes.superseded_at = func.clock_timestamp()
        session.flush()
    session.add(label)
    session.flush()
    turn.prefer(session, label.id, new)
    return label


def last_assignment(session: Session, project_id: int, user_id: int, before: int | None = None) -> int | None:
    """The newest comparison that this person finished (labelled, skipped or let expire), older than `before`."""
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
                select slots_left from item
                where project_id = :project and slots_left > 0 and withdrawn_at is null and purpose <> 'check'
                limit :most) waiting)
           + (select count(*) from assignment where project_id = :project and state = 'open')
    """
)
MOST_COUNTED = 20_000


def project_totals(session: Session, project_id: int) -> tuple[int, int]:
    """Labels that stand, and labels still asked for, those being made just now among them. Of a very long queue only
    the first MOST_COUNTED items are counted."""
    labels, wanted = session.execute(_TOTALS, {"project": project_id, "most": MOST_COUNTED}).one()
    return int(labels), int(wanted)


_MISSES = text(
    """
    select count(*) from (
        select passed from (
            select distinct on (l.item_id) l.passed, l.id from label l
            where l.annotator_id = :user and l.project_id = :project and l.passed is not null
            order by l.item_id, l.id
        ) first order by id desc limit :window
    ) recent where not passed
    """
)


def set_passed(session: Session, label_id: int, passed: bool) -> None:
    """Write down whether an attention check was passed."""
    session.execute(update(Label).where(Label.id == label_id).values(passed=passed))


def missed_checks(session: Session, project_id: int, user_id: int, window: int) -> int:
    """How many of this person's last `window` attention checks they missed; the first label counts."""
    values = {"user": user_id, "project": project_id, "window": window}
    return int(session.execute(_MISSES, values).scalar_one())
