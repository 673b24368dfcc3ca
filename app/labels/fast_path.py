"""The fast path of the labelling screen: a label saved, the next item leased and the progress counted by one
statement, which stands alone as a transaction.

Who asks and what their project takes is remembered from the last time that it was looked up. The statement itself asks
whether that still stands: the session, the account, and the very versions of the membership and the project that were
read. Anything unusual, the label of an attention check among it, is for `app.labels.service`.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import TextClause

from app.labels import leases, progress, turn
from app.labels.new_label import NewLabel
from app.labels.screen import Screen, with_item
from app.labels.task import task_in
from app.labels.turn import LabelledSince, Parameters
from app.models.project_settings import LabelSettings
from app.projects.dependencies import Access
from app.web.csrf import SESSION_COOKIE, has_bearer
from app.web.signing import digest

_REMEMBERED = 5_000
_LASTS = 300.0  # seconds; then the person is looked up again, which also keeps when their session was last used
_standings: dict[tuple[str, str], "Standing"] = {}  # by the session's hashed token, and the project as addresses say it


@dataclass(frozen=True)
class Standing:
    """A person's standing in a project as it was looked up, and the version of the rows that it was read from."""

    token_hash: str
    user_id: int
    project_id: int
    lease_minutes: int
    check_share: float
    settings: LabelSettings
    instructions: int | None  # the number of their version, and its id
    instructions_id: int | None
    version: str
    until: float  # by the monotonic clock

    @classmethod
    def of(cls, token_hash: str, access: Access) -> "Standing | None":
        """None for who may not label just now, for administrators who are no members, and where kinds are mixed."""
        project, member = access.project, access.member
        if member is None or member.paused_at is not None or project.archived_at is not None:
            return None
        if len(project.answer.asked) > 1:  # the next item is of a kind that has to be looked up
            return None
        seen = (project.lease_minutes, project.check_share, project.answer, project.version, project.instructions_id)
        return cls(token_hash, access.user.id, project.id, *seen, access.version, time.monotonic() + _LASTS)


def remember(request: Request, access: Access) -> None:
    """Keep the standing of somebody who has an item on the screen."""
    token = request.cookies.get(SESSION_COOKIE)
    if token is None or has_bearer(request):
        return
    key = digest(token), str(access.project.id)
    if (standing := Standing.of(key[0], access)) is not None:
        if len(_standings) >= _REMEMBERED:
            _standings.clear()
        _standings[key] = standing


def standing_of(request: Request) -> Standing | None:
    """What is remembered of the person behind a request to a project's page."""
    token = request.cookies.get(SESSION_COOKIE)
    if token is None or has_bearer(request):
        return None
    standing = _standings.get((digest(token), request.path_params["project_id"]))
    return standing if standing is not None and time.monotonic() < standing.until else None


Fetch = Callable[[TextClause, Mapping[str, Any]], Awaitable[Any]]
"""As `app.async_db.fetch_one`."""


async def save_and_claim(fetch: Fetch, standing: Standing, assignment_id: int, new: NewLabel) -> Screen | None:
    """Save a label and go on: the screen with the next item. None where the label was not taken, or no item came with
    it: `app.labels.service` may take it in either case, since what is sent again is the same label."""
    project_id, user_id = key = (standing.project_id, standing.user_id)
    day = progress.day_of(*key)
    if day is None or not progress.totals_are_fresh(project_id) or not new.kind.self_contained:
        return None
    if new.instructions not in (None, standing.instructions):  # the page is older than the guidelines or questions
        return None
    search = leases.search_for(*key, standing.lease_minutes, standing.check_share)
    parameters: Parameters = {
        **search.parameters,
        **turn.labelling(*key, assignment_id, new, standing.instructions_id),
        "token_hash": standing.token_hash,
        "version": standing.version,
        "since": day.midnight,
        "counted": day.last,
    }
    row = await fetch(turn.SAVE_AND_CLAIM_CHECK if search.check else turn.SAVE_AND_CLAIM, parameters)
    if row is None:
        return None
    progress.note_label(project_id)
    task = task_in(row)
    if task is None:
        return None
    if not search.check:
        search.found(task)
    done = progress.counted_on(project_id, user_id, day, LabelledSince(row.new + 1, row.label_id, row.pace))
    about = (project_id, standing.lease_minutes, standing.settings, standing.instructions)
    show = partial(with_item, *about, done, task)
    return show() if task.rendered else await run_in_threadpool(show)  # rendering may take long
