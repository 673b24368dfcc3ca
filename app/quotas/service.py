"""The rules of quotas: what administrators permit a project, what it has used, and what happens where that is all.

What is under way goes on; nothing further begins. It does not know what a run does, nor where files are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.accounts import audit
from app.models import Project, Quota, Run, RunState, User
from app.models.quota import LIMITS
from app.quotas.forms import QuotaChange
from app.settings import get_settings
from app.web.errors import Conflict, Refused, TooMany
from app.web.filters import count, percent, plural, size

NEAR = 0.8  # of a limit: from here on managers are told
DAY = timedelta(hours=24)
_RAISE = "An administrator can raise the quota."


@dataclass(frozen=True)
class Use:
    """What a project has used of one quota; `limit` is None where there is none, `used` where it is not known yet."""

    name: str
    title: str
    used: int | None
    limit: int | None

    @property
    def share(self) -> float:
        """Of the limit; 0 without one."""
        if self.limit is None or self.used is None:
            return 0.0
        return self.used / self.limit if self.limit else 1.0

    @property
    def near(self) -> bool:
        """Whether it is time to say so."""
        return self.share >= NEAR

    @property
    def met(self) -> bool:
        """Whether nothing is left."""
        return self.share >= 1

    @property
    def told(self) -> bool:
        """Whether a manager is told. That as many runs are under way as may be is nothing to be told of."""
        return self.near and self.name != "runs_at_once"

    def amount(self, number: int | None) -> str:
        """A number of it, in words."""
        if number is None:
            return "not measured yet"
        return size(number) if self.name == "storage_bytes" else count(number)

    @property
    def notice(self) -> str | None:
        """What a manager is told, if anything."""
        return self.sentence if self.told else None

    @property
    def sentence(self) -> str:
        """What a manager is told."""
        of = f"{self.title}: {self.amount(self.used)} of {self.amount(self.limit)} used"
        return f"{of}. {_WHEN_MET[self.name]} {_RAISE}" if self.met else f"{of} ({percent(self.share)}). {_RAISE}"


_TITLES = {
    "runs_at_once": "Runs at once",
    "runs_per_day": "Runs in 24 hours",
    "storage_bytes": "Storage",
    "tokens": "Tokens of endpoints",
}
_WHEN_MET = {
    "runs_at_once": "Nothing further starts until a run ends.",
    "runs_per_day": "Nothing further starts until a run is a day old.",
    "storage_bytes": "Nothing further starts until there is room: delete runs or retire models.",
    "tokens": "Endpoints are asked nothing more.",
}
ACTIVE = (RunState.QUEUED, RunState.RUNNING, RunState.CANCELLING)


def begin(session: Session, project: Project) -> None:
    """Give a new project the quotas that the installation's settings name."""
    settings = get_settings()
    limits = {name: getattr(settings, f"quota_{name}") for name in LIMITS}
    session.add(Quota(project_id=project.id, **limits))
    session.flush()


def of(session: Session, project_id: int) -> Quota:
    """A project's quotas."""
    return session.get(Quota, project_id, populate_existing=True) or Quota(project_id=project_id, tokens_used=0)


def uses(session: Session, project_id: int, *, limited: bool = False) -> list[Use]:
    """What a project has used of each, or only of those that have a limit."""
    return uses_of(session, [project_id], limited=limited)[project_id]


def uses_of(session: Session, projects: Sequence[int], *, limited: bool = True) -> dict[int, list[Use]]:
    """The same of each of these projects, by three statements at most."""
    known = select(Quota).where(Quota.project_id.in_(projects)).execution_options(populate_existing=True)
    quota = {each.project_id: each for each in session.scalars(known)}
    for project_id in projects:
        quota.setdefault(project_id, Quota(project_id=project_id, tokens_used=0))
    told = {
        project_id: [name for name in LIMITS if not limited or getattr(quota[project_id], name) is not None]
        for project_id in projects
    }
    counts: dict[str, Callable[[list[int]], dict[int, int]]] = {
        "runs_at_once": lambda of: _runs(session, of, Run.state.in_(ACTIVE)),
        "runs_per_day": lambda of: _runs(session, of, Run.created_at > datetime.now(UTC) - DAY),
    }
    counted = {
        name: count(of) for name, count in counts.items() if (of := [each for each in projects if name in told[each]])
    }
    used: dict[str, Callable[[int], int | None]] = {
        "runs_at_once": lambda project_id: counted["runs_at_once"].get(project_id, 0),
        "runs_per_day": lambda project_id: counted["runs_per_day"].get(project_id, 0),
        "storage_bytes": lambda project_id: quota[project_id].storage_used,
        "tokens": lambda project_id: quota[project_id].tokens_used,
    }
    return {
        each: [Use(name, _TITLES[name], used[name](each), getattr(quota[each], name)) for name in told[each]]
        for each in projects
    }


def notices(session: Session, project_id: int) -> list[Use]:
    """Those that a manager is to be told of."""
    return [use for use in uses(session, project_id, limited=True) if use.told]


def change(session: Session, project: Project, actor: User | None, wanted: QuotaChange) -> Quota:
    """Set the limits that are given; None takes one away. What is used already may be more: then nothing new begins."""
    session.execute(insert(Quota).values(project_id=project.id).on_conflict_do_nothing())
    quota = session.get_one(Quota, project.id, populate_existing=True, with_for_update=True)
    changed: dict[str, Any] = {}
    for name, value in wanted.model_dump(exclude_unset=True).items():
        if getattr(quota, name) != value:
            changed[name] = [getattr(quota, name), value]
            setattr(quota, name, value)
    session.flush()
    if changed:
        audit.record(session, actor, "project.quotas_changed", project_id=project.id, subject=project, **changed)
    return quota


def refusal(session: Session, project_id: int, *, new: bool = True) -> Refused | None:
    """Why no run may begin; a `new` one counts for its day, one that is resumed did so before."""
    used = {use.name: use for use in uses(session, project_id)}
    runs, day, storage = used["runs_at_once"], used["runs_per_day"], used["storage_bytes"]
    if runs.met:
        many = plural(runs.limit or 0, "run")
        return Conflict(f"The project's quota is {many} at once. Wait until one ends, or cancel one. {_RAISE}")
    if new and day.met:
        many = plural(day.limit or 0, "run")
        wait = _until_a_day_old(session, project_id, day.limit or 0)
        return TooMany(f"The project's quota of {many} in 24 hours is used up. {_RAISE}", retry_after=wait)
    if storage.met:
        return _no_room(storage)
    return None


def require_room(session: Session, project_id: int) -> None:
    """Refuse to keep a further file of a project whose storage is used up."""
    storage = next(use for use in uses(session, project_id) if use.name == "storage_bytes")
    if storage.met:
        raise _no_room(storage)


def _no_room(storage: Use) -> Conflict:
    return Conflict(
        f"The project's files take {storage.amount(storage.used)}, and its quota is {storage.amount(storage.limit)}. "
        f"Delete runs or retire models. {_RAISE}"
    )


def spend(session: Session, project_id: int, tokens: int) -> int | None:
    """Count tokens before they are spent: None, or how many are left where they would pass the quota. Holds for all
    who ask at once."""
    spent = insert(Quota).values(project_id=project_id, tokens_used=tokens)
    together = Quota.tokens_used + spent.excluded.tokens_used
    within = spent.on_conflict_do_update(
        index_elements=[Quota.project_id],
        set_={"tokens_used": together},
        where=or_(Quota.tokens.is_(None), together <= Quota.tokens),
    )
    if session.scalar(within.returning(Quota.project_id)) is not None:
        return None
    return max(0, session.scalar(select(Quota.tokens - Quota.tokens_used).where(Quota.project_id == project_id)) or 0)


def correct(session: Session, project_id: int, tokens: int) -> None:
    """Change what was counted by so many tokens, once it is known what was taken."""
    more = func.greatest(0, Quota.tokens_used + tokens)
    session.execute(update(Quota).where(Quota.project_id == project_id).values(tokens_used=more))


def measured(session: Session, project_id: int, octets: int) -> None:
    """Keep how much room a project's files take."""
    now = {"storage_used": octets, "storage_measured_at": func.clock_timestamp()}
    row = insert(Quota).values(project_id=project_id, **now)
    session.execute(row.on_conflict_do_update(index_elements=[Quota.project_id], set_=now))


def freed(session: Session, project_id: int | None) -> None:
    """Files of a project are gone: have the rest measured soon."""
    stale = update(Quota).where(Quota.project_id == project_id, Quota.storage_measured_at.is_not(None))
    session.execute(stale.values(storage_measured_at=None))


def _runs(session: Session, projects: Sequence[int], which: ColumnElement[bool]) -> dict[int, int]:
    found = select(Run.project_id, func.count()).where(Run.project_id.in_(projects), which).group_by(Run.project_id)
    return {row[0]: row[1] for row in session.execute(found) if row[0] is not None}


def _until_a_day_old(session: Session, project_id: int, limit: int) -> int:
    """Seconds until one more may begin."""
    newest = select(Run.created_at).where(Run.project_id == project_id).order_by(Run.created_at.desc())
    moment = session.scalar(newest.offset(max(0, limit - 1)).limit(1))
    left = (moment + DAY - datetime.now(UTC)).total_seconds() if moment is not None else DAY.total_seconds()
    return max(1, round(left))
