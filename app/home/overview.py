"""All of a person's projects at a glance: what is labelled, what runs, what needs attention, the next step of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from app.home import overview_queries
from app.home.pace import FEWEST, Pace
from app.models import ModelState, Project, Role, User
from app.projects import queries
from app.quotas import service as quotas
from app.quotas.service import Use
from app.rewards.service import FIRST_TRAINING
from app.rewards.snapshot_queries import new_labels
from app.statistics.agreement import Agreement, Prompts, agreement_of
from app.web.cache import Cache
from app.web.filters import plural


class Urgency(StrEnum):
    """How much a project needs somebody: now, soon, or not."""

    NOW = "now"
    SOON = "soon"
    NONE = "none"


@dataclass(frozen=True)
class Attention:
    """What a project needs, in a sentence, and where that is done."""

    urgency: Urgency
    sentence: str
    href: str


@dataclass(frozen=True)
class Glance:
    """A project as its manager sees it among others. `queue` are pairs that wait; `agreement` is that on
    the pairs of the newest labels."""

    project: Project
    role: Role | None
    members: int
    labels: int
    mine: int
    today: int
    week: int
    last_at: datetime | None
    queue: int
    active_runs: int
    agreement: Agreement
    attention: Attention
    quotas: list[Use]  # those that have a limit


class Sort(StrEnum):
    """What the projects are ordered by: each the way round in which one looks for the first."""

    ATTENTION = "attention"
    NAME = "name"
    TODAY = "today"
    WEEK = "week"
    LABELS = "labels"
    AGREEMENT = "agreement"
    QUEUE = "queue"
    RUNS = "runs"
    NEWEST = "newest"


_URGENCY = list(Urgency)
_ORDERS: dict[Sort, Callable[[Glance], Any]] = {
    Sort.ATTENTION: lambda one: _URGENCY.index(one.attention.urgency),
    Sort.NAME: lambda one: one.project.name.casefold(),
    Sort.TODAY: lambda one: -one.today,
    Sort.WEEK: lambda one: -one.week,
    Sort.LABELS: lambda one: -one.labels,
    Sort.AGREEMENT: lambda one: 2.0 if one.agreement.percent is None else one.agreement.percent,
    Sort.QUEUE: lambda one: one.queue,
    Sort.RUNS: lambda one: -one.active_runs,
    Sort.NEWEST: lambda one: -one.project.id,
}


_figures: Cache[tuple[dict[int, Any], dict[int, int], dict[int, Agreement]]] = Cache()


def overview(session: Session, user: User, sort: Sort = Sort.ATTENTION, zone: tzinfo = UTC) -> list[Glance]:
    """The projects that this person manages, or sees as an administrator, as `glances` has them."""
    return glances(session, user, queries.listed(session, user).items, sort, zone)[0]


def glances(
    session: Session, user: User, listed: Sequence[queries.Listed], sort: Sort, zone: tzinfo
) -> tuple[list[Glance], datetime | None]:
    """Those of a person's projects that they manage, or see as an administrator, the newest first among equals; and
    when their figures were counted, where that was a while ago."""
    found = [one for one in listed if user.is_admin or one.role is Role.MANAGER]
    if not found:
        return [], None
    midnight = datetime.now(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    week = midnight - timedelta(days=midnight.weekday())
    ids = [one.project.id for one in found]
    (figures, fresh, agreements), counted_at = _figures.aged(
        (*ids, midnight),
        lambda: (
            overview_queries.figures(session, ids, midnight, week), new_labels(session, ids), _agreements(session, ids),
        ),
    )  # fmt: skip
    uses = quotas.uses_of(session, ids)
    rows = [
        _glance(one, figures[id_], fresh[id_], agreements[id_], uses[id_]) for id_, one in zip(ids, found, strict=True)
    ]
    return sorted(rows, key=_ORDERS[sort]), counted_at


def _agreements(session: Session, projects: list[int]) -> dict[int, Agreement]:
    judged: dict[int, dict[Prompts, int]] = {project: {} for project in projects}
    for row in overview_queries.recently_judged(session, projects):
        judged[row.project_id][tuple(map(tuple, row.tallies))] = row.prompts
    return {project: agreement_of(prompts) for project, prompts in judged.items()}


def _glance(one: queries.Listed, now: Any, fresh: int, agreement: Agreement, uses: list[Use]) -> Glance:
    return Glance(
        project=one.project,
        role=one.role,
        members=one.members,
        labels=one.labels,
        mine=one.mine,
        today=now.today,
        week=now.week,
        last_at=now.last_at,
        queue=now.open_items,
        active_runs=now.active_runs,
        agreement=agreement,
        attention=attention(one.project, now, fresh),
        quotas=uses,
    )


def attention(project: Project, now: Any, fresh: int) -> Attention:
    """The first of these that applies, from the row of figures and the labels in no snapshot: what stops the loop, then
    what waits for a person, then what comes next."""
    here = f"/projects/{project.id}"
    base = project.base_model
    if base.state is ModelState.FAILED:
        return Attention(Urgency.NOW, f"The base model {base.name} cannot be used.", f"{here}/settings#base-model")
    if now.failed_run is not None:
        return Attention(Urgency.NOW, f"Run {now.failed_run} failed.", f"{here}/runs/{now.failed_run}")
    if not now.has_prompts:
        return Attention(Urgency.NOW, "There are no prompts yet.", f"{here}/prompts")
    waits = not now.open_items and not now.sampling and base.state is ModelState.READY
    if waits and not project.automation.keep_queue_filled:
        return Attention(Urgency.NOW, "The queue is empty, and automatic sampling is off.", f"{here}/items")
    if now.paused:
        who = plural(now.paused, "person is", "people are")
        return Attention(Urgency.SOON, f"{who} paused.", f"{here}/people")
    if now.to_review:
        return Attention(
            Urgency.SOON, f"{plural(now.to_review, 'prompt')} from chat to review.", f"{here}/prompts/review"
        )
    wanted = project.automation.labels_between_rewards if now.has_reward else FIRST_TRAINING
    model = "a new reward model" if now.has_reward else "the first reward model"
    if fresh >= wanted and not now.training_reward and not project.automation.retrain_reward:
        sentence = f"{plural(fresh, 'label')}, enough for {model}."
        return Attention(Urgency.SOON, sentence, f"{here}/rewards")
    if now.active_runs and not now.open_items:
        return Attention(Urgency.NONE, f"{plural(now.active_runs, 'run')} under way.", f"{here}/runs")
    left = max(1, wanted - fresh)
    pace = Pace(float(now.hour_seconds) / now.hour if now.hour >= FEWEST else None, None)
    sentence = " ".join(filter(None, [f"{plural(left, 'more label')} until {model}.", pace.for_labels(left)]))
    return Attention(Urgency.NONE, sentence, f"{here}/label")
