"""The rules of leases: who gets which item, for how long, and what becomes of it.

How the invariants are kept: an item's `slots_left` is changed in the very statement that opens or ends a lease,
so that open leases and labels never exceed the overlap (2); an ended lease gives its slot back at once, and a label
that comes later takes a slot if one is free and is otherwise kept as surplus, see `app.labels.service` (3); the display
order is chosen at random when the lease is made and lives in its row (4).
"""

import random
import time
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.items import queue
from app.labels import blocks, lease_queries, turn
from app.labels.task import START, Place, Task
from app.models import Project, User
from app.web.errors import Invalid, NotFound

# Asking the system for each number would cost more than the rest of a claim.
_draw = random.Random()  # noqa: S311  orders and checks are no secrets

# Where in the queue a person found their last item, for a while: items before it are mostly done, by them or by all,
# and need not be looked through again at every claim. A hint and no more: when nothing is found behind it the queue is
# read from its head, and after HINT_SECONDS anyway, which is how soon an item of higher priority comes first.
HINT_SECONDS = 15.0
_HINTS_KEPT = 10_000
_PATIENCE = (0.0, 0.01, 0.03, 0.1)  # seconds before each look at a queue whose last items are locked by other claims
_hints: dict[tuple[int, int, str | None], tuple[Place, float]] = {}  # by project, person and kind looked for
_POSITIONS = range(8)  # as many as an item can have


@dataclass(frozen=True)
class Search:
    """How a person's next item is looked for: whether an attention check comes first, from which place on, until when
    that place holds, and all of it as the statements bind it."""

    key: tuple[int, int, str | None]  # project, person, and kind where only one is wanted
    place: Place
    check: bool
    until: float
    parameters: turn.Parameters

    def found(self, task: Task) -> None:
        """Keep the place for this person's next search."""
        if len(_hints) >= _HINTS_KEPT:
            _hints.clear()
        _hints[self.key] = (max(self.place, task.place), self.until)

    def from_head(self) -> "Search":
        """The same from the head of the queue on."""
        until, parameters = time.monotonic() + HINT_SECONDS, turn.from_head(self.parameters)
        return replace(self, place=START, until=until, parameters=parameters)


def search_for(project_id: int, user_id: int, minutes: int, check_share: float, kind: str | None = None) -> Search:
    """Draw how this person's next item is looked for."""
    order, check = _draw.sample(_POSITIONS, len(_POSITIONS)), check_share > 0 and _draw.random() < check_share
    key = project_id, user_id, kind
    place, until = _hints.get(key, (START, 0.0))
    if time.monotonic() >= until:
        place, until = START, time.monotonic() + HINT_SECONDS
    return Search(key, place, check, until, turn.searching(project_id, user_id, minutes, order, place, kind))


def claim_item(session: Session, project: Project, user: User) -> Task | None:
    """The item this person has before them: the one they hold already, or the next one they have not seen.

    None when there is nothing for them. The caller has made sure that they are a member and not paused.
    """
    key, minutes = (project.id, user.id), project.lease_minutes
    if len(project.answer.asked) > 1 and (task := _claim_of_block(session, project, user)) is not None:
        return task
    search = search_for(*key, minutes, project.check_share)
    if search.check and (task := turn.claim(session, search.parameters, check=True)) is not None:
        return task
    task = turn.claim(session, search.parameters)
    if task is None:  # from the head, and with patience: an item that is only locked is not gone
        search = search.from_head()
        for pause in _PATIENCE:
            time.sleep(pause)
            task = turn.claim(session, search.parameters)
            if task is not None or not lease_queries.anything_left(session, *key):
                break
        task = task or lease_queries.reopen(session, *key, minutes, "expired")
    if task is None:
        _hints.pop(search.key, None)
        return None
    search.found(task)
    return task


def _claim_of_block(session: Session, project: Project, user: User) -> Task | None:
    """The item that this person holds, or the next one of the block that they are in; None where none is left."""
    kind = blocks.next_kind(session, project, user.id)
    search = search_for(project.id, user.id, project.lease_minutes, project.check_share, kind)
    if search.check and (task := turn.claim(session, search.parameters, check=True)) is not None:
        return task
    task = turn.claim(session, search.parameters)
    if task is None and search.place != START:
        task = turn.claim(session, search.from_head().parameters)
    if task is None:
        _hints.pop(search.key, None)
    elif task.kind == kind:
        search.found(task)
    return task


def task_of(session: Session, project: Project, user: User, assignment_id: int) -> Task:
    """One of this person's own assignments, to look at again; NotFound for anybody else's."""
    task = lease_queries.task(session, project.id, user.id, assignment_id)
    if task is None:
        raise NotFound("This comparison is not one of yours.")
    return task


def skip(session: Session, project: Project, user: User, assignment_id: int, reason: str = "", note: str = "") -> bool:
    """Give an item to somebody else, and keep why where they say it: a reason by its id, and a note in their own words.
    False where the lease had ended already, which is no error."""
    task_of(session, project, user, assignment_id)
    if reason and not project.answer.knows_skip_reason(reason):
        raise Invalid("This project has no such reason to skip. Load the page again.", "reason")
    return lease_queries.skip(session, project.id, user.id, assignment_id, reason or None, note.strip() or None)


def take_skipped_again(session: Session, project: Project, user: User) -> Task | None:
    """Lease the newest item that this person skipped and that still needs a label, in its old display order."""
    return lease_queries.reopen(session, project.id, user.id, project.lease_minutes, "skipped")


def renew(session: Session, project: Project, user: User, assignment_id: int) -> bool:
    """Keep a lease while its page is open; False when it has ended."""
    return lease_queries.renew(session, project.id, user.id, assignment_id, project.lease_minutes)


def expire_leases(session: Session, limit: int = 1000) -> int:
    """End leases past their time, at most `limit` of them; how many ended."""
    return queue.expire(session, limit)
