"""The rules of leases: who gets which pair, for how long, and what becomes of it.

How LOOP.md's invariants are kept: a pair's `slots_left` is changed in the very statement that opens or ends a lease,
so that open leases and labels never exceed the overlap (2); an ended lease gives its slot back at once, and an answer
that comes later takes a slot if one is free and is otherwise kept as surplus, see `app.labels.service` (3); the display
order is drawn when the lease is made and lives in its row (4).
"""

import random
import time
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.models import Project, Side, User
from app.pairs import queue, upkeep
from app.pairs.queue import START, Task
from app.web.errors import NotFound

_draw = random.SystemRandom()

# Where in the queue a person found their last pair, for a while: pairs before it are mostly done, by them or by all,
# and need not be looked through again at every claim. A hint and no more: when nothing is found behind it the queue is
# read from its head, and after HINT_SECONDS anyway, which is how soon a pair of higher priority comes first.
HINT_SECONDS = 15.0
_HINTS_KEPT = 10_000
_PATIENCE = (0.0, 0.01, 0.03, 0.1)  # seconds before each look at a queue whose last pairs are locked by other claims
_hints: dict[tuple[int, int], tuple[tuple[float, int], float]] = {}


@dataclass(frozen=True)
class Search:
    """How a person's next pair is looked for: whether an attention check comes first, from which place of the queue on
    and until when that place holds, and which answer will be displayed on the left."""

    project_id: int
    user_id: int
    minutes: int
    left: Side
    check: bool
    place: tuple[float, int]
    until: float

    @property
    def values(self) -> dict[str, object]:
        """As the statements of `app.pairs.queue` bind them."""
        rank, after = self.place
        return {"minutes": self.minutes, "left": self.left.value, "rank": rank, "after": after}

    def found(self, task: Task) -> None:
        """Keep the place for this person's next search."""
        if len(_hints) >= _HINTS_KEPT:
            _hints.clear()
        _hints[self.project_id, self.user_id] = (max(self.place, (-task.priority, task.pair_id)), self.until)


def search_for(project_id: int, user_id: int, minutes: int, check_share: float) -> Search:
    """Draw how this person's next pair is looked for."""
    left, check = _draw.choice(list(Side)), check_share > 0 and _draw.random() < check_share
    place, until = _hints.get((project_id, user_id), (START, 0.0))
    if time.monotonic() >= until:
        place, until = START, time.monotonic() + HINT_SECONDS
    return Search(project_id, user_id, minutes, left, check, place, until)


def claim_pair(session: Session, user: User, project: Project) -> Task | None:
    """The pair this person compares now: the one they hold already, or the next one they have not seen.

    None when there is nothing for them. The caller has made sure that they are a member and not paused.
    """
    key, minutes = (project.id, user.id), project.lease_minutes
    search = search_for(*key, minutes, project.check_share)
    left = search.left
    if search.check:
        task = queue.claim_check(session, *key, minutes, left)
        if task is not None:
            return task
    task = queue.claim(session, *key, minutes, left, search.place)
    if task is None:  # from the head, and with patience: a pair that is only locked is not gone
        search = replace(search, until=time.monotonic() + HINT_SECONDS)
        for pause in _PATIENCE:
            time.sleep(pause)
            task = queue.claim(session, *key, minutes, left)
            if task is not None or not queue.anything_left(session, *key):
                break
        task = task or queue.reopen(session, *key, minutes, "expired")
    if task is None:
        _hints.pop(key, None)
        return None
    search.found(task)
    return task


def task_of(session: Session, user: User, project: Project, assignment_id: int) -> Task:
    """One of this person's own assignments, to look at again; NotFound for anybody else's."""
    task = queue.task(session, project.id, user.id, assignment_id)
    if task is None:
        raise NotFound("This comparison is not one of yours.")
    return task


def skip(session: Session, user: User, project: Project, assignment_id: int) -> bool:
    """Give a pair to somebody else. False where the lease had ended already, which is no error."""
    task_of(session, user, project, assignment_id)
    return queue.skip(session, project.id, user.id, assignment_id)


def take_skipped_again(session: Session, user: User, project: Project) -> Task | None:
    """Lease the newest pair that this person skipped and that still needs an answer, in its old display order."""
    return queue.reopen(session, project.id, user.id, project.lease_minutes, "skipped")


def renew(session: Session, user: User, project: Project, assignment_id: int) -> bool:
    """Keep a lease while its page is open; False when it has ended."""
    return queue.renew(session, project.id, user.id, assignment_id, project.lease_minutes)


def expire_leases(session: Session, limit: int = 1000) -> int:
    """End leases past their time, at most `limit` of them; how many ended."""
    return upkeep.expire(session, limit)
