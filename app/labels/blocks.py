"""Where a project asks several kinds of items, a person gets them in blocks of ten of one kind, drawn by the kinds'
shares. A block holds up nobody: where nothing of its kind is left, the next item is whatever the queue has."""

import random
from collections.abc import Mapping, Sequence
from itertools import takewhile

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.models import Level, Project

SIZE = 10
_draw = random.Random()  # noqa: S311  which kind comes next is no secret

_RECENT = text(
    """
    select p.kind from assignment s join item p on p.id = s.item_id
    where s.annotator_id = :user and s.project_id = :project order by s.id desc limit :most
    """
)
_URGENT = text(
    """
    select p.kind from item p
    where p.project_id = :project and p.slots_left > 0 and p.withdrawn_at is null and p.purpose <> 'check'
      and p.level < :train and not exists (select from assignment s where s.item_id = p.id and s.annotator_id = :user)
    order by p.level, p.rank, p.id limit 1
    """
)
_LOOKED_AT = 100  # newest assignments: a block is told from the one before it where both are of one kind


def place(session: Session, project: Project, user_id: int) -> int | None:
    """Which one of its block a person's newest item is, from 1 to 10; None where the project asks one kind."""
    if len(project.answer.asked) < 2:
        return None
    run = _run(_recent(session, project.id, user_id))
    return (run - 1) % SIZE + 1 if run else None


def next_kind(session: Session, project: Project, user_id: int) -> str:
    """The kind of this person's next item: that of the block that they are in, or one for a new block. What is more
    urgent than training begins a block; else the kinds' shares decide."""
    recent = _recent(session, project.id, user_id)
    if _run(recent) % SIZE and recent[0] in project.answer.asked:
        return recent[0]
    urgent: str | None = session.scalar(_URGENT, {"project": project.id, "user": user_id, "train": Level.TRAIN})
    return urgent or draw(project.answer.asked)


def draw(asked: Mapping[str, float]) -> str:
    """A kind by its share."""
    return _draw.choices([*asked], [*asked.values()])[0]


def _recent(session: Session, project_id: int, user_id: int) -> Sequence[str]:
    """The kinds of this person's items, newest first."""
    return session.scalars(_RECENT, {"user": user_id, "project": project_id, "most": _LOOKED_AT}).all()


def _run(kinds: Sequence[str]) -> int:
    """How many of one kind come first."""
    return sum(1 for _ in takewhile(lambda kind: kind == kinds[0], kinds))
