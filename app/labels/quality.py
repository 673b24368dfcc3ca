"""How well people agree, and how each of them works. Counts what `queries` brings; needs no HTTP."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import queries as accounts
from app.annotation import KINDS
from app.annotation.kind import Figure
from app.labels import quality_queries as queries
from app.labels.habits import Couple, Habits, look
from app.labels.queries import few
from app.models import Project
from app.statistics.agreement import Agreement, Prompts, agreement_of
from app.statistics.shares import wilson
from app.web.cache import Cache


@dataclass(frozen=True)
class Annotator:
    """How one person works. Shares are of one; intervals are Wilson's, 95%, with as many trials as there are labels."""

    id: int
    name: str
    labels: int
    pace: float | None
    left_share: float | None
    left_low: float
    left_high: float
    ties: int
    both_bad: int
    late: int
    skipped: int
    checks: int
    passed: int
    with_others: float | None
    with_consensus: float | None
    shared: int
    last_at: datetime
    paused_at: datetime | None
    pause_reason: str | None
    habits: Habits


@dataclass(frozen=True)
class OfKind:
    """Agreement on one kind of items; `agreement` is null where it is not measured."""

    kind: str
    title: str
    labels: int
    agreement: Agreement | None
    figures: list[Figure]


@dataclass(frozen=True)
class Quality:
    """Both, as of one moment; `questions` has the agreement on each further question that was ever asked, `kinds` that
    on each kind of items that was labelled. `agreement` is over all of them. `couples` is how far each two people
    agree, `paces` how many labels took so many seconds: see `app.labels.habits`."""

    agreement: Agreement
    kinds: list["OfKind"]
    questions: dict[str, Agreement]
    annotators: list[Annotator]
    couples: list[Couple]
    paces: list[int]


_cache: Cache[Quality] = Cache()


def quality(session: Session, project: Project) -> tuple[Quality, datetime]:
    """How well people agree and how each works, and when it was counted: in a very large project a while ago."""
    return _cache.get(project.id, lambda: _count(session, project.id))


def at_hand(session: Session, project: Project, wait: bool) -> tuple[Quality | None, datetime | None, bool]:
    """The same as far as it is there without a wait, and whether it is new enough; see `Cache.at_hand`."""
    return _cache.at_hand(project.id, lambda: _count(session, project.id), lambda: wait or few(session, project.id))


def _count(session: Session, project_id: int) -> Quality:
    judged = queries.prompt_tallies(session, project_id)
    main = [row for row in judged if not row.question]
    kinds = [
        OfKind(
            name,
            KINDS[name].title,
            labels,
            _agreement(row for row in main if row.kind == name) if KINDS[name].measured else None,
            list(KINDS[name].figures(queries.judged(session, project_id, name))) if KINDS[name].figured else [],
        )
        for name, labels in queries.kinds_labelled(session, project_id).items()
    ]
    further = {row.question for row in judged} - {""}
    questions = {name: _agreement(row for row in judged if row.question == name) for name in sorted(further)}
    found = []
    done = queries.work_done(session, project_id)
    # Where all labels were imported there is nobody to compare with others.
    others, consensus = _matches(queries.vote_tallies(session, project_id) if done else [])
    looked = look(queries.votes(session, project_id) if done else [])
    names = accounts.shown(session, [row.id for row in done])
    for row in done:
        sides = row.chose_left + row.chose_right
        trials = min(sides, row.labels)  # the sides of a label are drawn for it: the pairs of a ranking are one trial
        low, high = wilson(row.chose_left * trials / max(sides, 1), trials)
        found.append(
            Annotator(
                id=row.id,
                name=names[row.id],
                labels=row.labels,
                pace=row.pace,
                left_share=row.chose_left / sides if sides else None,
                left_low=low,
                left_high=high,
                ties=row.ties,
                both_bad=row.both_bad,
                late=row.late,
                skipped=row.skipped,
                checks=row.checks,
                passed=row.passed,
                with_others=_share(others[row.id]),
                with_consensus=_share(consensus[row.id]),
                shared=others[row.id][1],
                last_at=row.last_at,
                paused_at=row.paused_at,
                pause_reason=row.pause_reason,
                habits=looked.people.get(row.id, Habits()),
            )
        )
    return Quality(_agreement(main), kinds, questions, found, looked.couples, looked.paces)


def _agreement(rows: Iterable[Any]) -> Agreement:
    prompts: dict[Prompts, int] = defaultdict(int)
    for row in rows:
        prompts[tuple(map(tuple, row.tallies))] += row.prompts
    return agreement_of(prompts)


def _share(item: list[int]) -> float | None:
    return item[0] / item[1] if item[1] else None


def _matches(votes: Iterable[Any]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Annotator -> [equal choices, comparisons] with each other person, and with the majority of the others."""
    others: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    consensus: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for vote in votes:
        rest = [vote.a, vote.neither, vote.b]
        rest[vote.place] -= 1
        others[vote.annotator_id][0] += rest[vote.place] * vote.choices
        others[vote.annotator_id][1] += sum(rest) * vote.choices
        if rest.count(max(rest)) == 1:
            consensus[vote.annotator_id][0] += (rest[vote.place] == max(rest)) * vote.choices
            consensus[vote.annotator_id][1] += vote.choices
    return others, consensus
