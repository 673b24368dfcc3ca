"""The figures that are read from the database: one statement each, with a bound on what it may cost.

Ages are told as the time of the event, in seconds since 1970, so that they stay right however old the answer is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from psycopg import Connection

from app.models import RunKind, RunState

MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Figure:
    """One metric of a statement's rows: the rows begin with its labels; None has no value."""

    name: str
    says: str


@dataclass(frozen=True)
class Look:
    """A statement, and what its columns behind the labels are."""

    statement: str
    labels: tuple[str, ...]
    figures: tuple[Figure, ...]


QUEUE = Look(
    """
    select p.id, found.waiting, extract(epoch from found.oldest)
    from project p cross join lateral (
        select count(*) as waiting, min(created_at) as oldest from (
            select created_at from item
            where project_id = p.id and slots_left > 0 and withdrawn_at is null and purpose <> 'check'
            limit %(most)s
        ) first
    ) found
    where p.archived_at is null""",
    ("project",),
    (
        Figure("hone_queue_items", f"Items that wait for a label, counted to {MOST_COUNTED}."),
        Figure("hone_queue_oldest_timestamp_seconds", "When the oldest of those was made."),
    ),
)
LEASES = Look(
    """
    select project_id, count(*), extract(epoch from min(leased_at)), extract(epoch from min(expires_at))
    from assignment where state = 'open' and project_id not in (select id from project where goes_since is not null)
    group by project_id""",
    ("project",),
    (
        Figure("hone_leases_open", "Items that somebody has on the screen."),
        Figure("hone_lease_oldest_timestamp_seconds", "When the oldest open lease began."),
        Figure("hone_lease_next_expiry_timestamp_seconds", "When the next open lease ends."),
    ),
)
RUNS = Look(
    """
    select k, s, count(run.id)
    from unnest(%(kinds)s::text[]) k cross join unnest(%(states)s::text[]) s
    left join run on run.kind = k and run.state = s
    group by k, s""",
    ("kind", "state"),
    (Figure("hone_runs", "Runs that are in a state now."),),
)
WAITING = Look(
    """
    select kind, extract(epoch from min(greatest(created_at, heartbeat_at)))
    from run where state = 'queued' group by kind""",
    ("kind",),
    (Figure("hone_run_waiting_timestamp_seconds", "Since when the queued run that waits longest has waited."),),
)
RUNNING = Look(
    """
    select run.id, run.kind, extract(epoch from heartbeat_at), steps_per_second,
        steps_per_second * coalesce(trained.tokens, sampled.tokens)
    from run
    left join lateral (
        select value as tokens from run_metric where run_id = run.id and name = 'tokens' order by step desc limit 1
    ) trained on true
    left join lateral (
        select sum(token_count)::float / nullif(count(distinct prompt_id), 0) as tokens
        from response where run_id = run.id
    ) sampled on true
    where state in ('running', 'cancelling')""",
    ("run", "kind"),
    (
        Figure("hone_run_heartbeat_timestamp_seconds", "When the worker of a running run last gave a sign of life."),
        Figure("hone_run_steps_per_second", "How fast a running run goes, in its own steps."),
        Figure("hone_run_tokens_per_second", "Tokens that a running run trains on or samples."),
    ),
)
SWEEP = Look(
    "select extract(epoch from swept_at) from scheduler",
    (),
    (Figure("hone_sweep_timestamp_seconds", "When everything automatic was last done."),),
)
QUOTAS = Look(
    """
    select quota.project_id, each.of, each.used, each."limit"
    from quota join project on project.id = quota.project_id cross join lateral (values
        ('runs_at_once', runs_at_once, case when runs_at_once is not null then (
            select count(*) from run where project_id = quota.project_id
                and state in ('queued', 'running', 'cancelling')) end),
        ('runs_per_day', runs_per_day, case when runs_per_day is not null then (
            select count(*) from run where project_id = quota.project_id
                and created_at > now() - interval '24 hours') end),
        ('storage_bytes', storage_bytes, storage_used),
        ('tokens', tokens, tokens_used)
    ) each (of, "limit", used)
    where each."limit" is not null and archived_at is null""",
    ("project", "of"),
    (
        Figure("hone_quota_used", "What a project has used of a quota."),
        Figure("hone_quota_limit", "What it may use."),
    ),
)
DELETIONS = Look(
    """
    select 'project', id, extract(epoch from goes_since) from project where goes_since is not null
    union all
    select 'person', id, extract(epoch from coalesce(labels_go_since, chats_go_since)) from "user"
    where labels_go_since is not null or chats_go_since is not null""",
    ("of", "number"),
    (Figure("hone_deletion_begun_timestamp_seconds", "When a deletion began that goes on in parts."),),
)
_VALUES = {"most": MOST_COUNTED, "kinds": [*map(str, RunKind)], "states": [*map(str, RunState)]}
LOOKS = (QUEUE, LEASES, RUNS, WAITING, RUNNING, SWEEP, QUOTAS, DELETIONS)


def read(connection: "Connection[tuple[object, ...]]") -> Iterator[GaugeMetricFamily]:
    """All figures as they are now."""
    for look in LOOKS:
        families = [GaugeMetricFamily(figure.name, figure.says, labels=look.labels) for figure in look.figures]
        for row in connection.execute(look.statement.encode(), _VALUES).fetchall():
            labels, values = [str(value) for value in row[: len(look.labels)]], row[len(look.labels) :]
            for family, value in zip(families, values, strict=True):
                if value is not None:
                    family.add_metric(labels, float(str(value)))
        yield from families
