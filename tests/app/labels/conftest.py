"""People and items to answer, over the rolled-back session."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import TextClause, select
from sqlalchemy.orm import Session

from app import models as m
from app.accounts.queries import Credential
from app.annotation.comparison import ComparisonValue
from app.annotation.comparison.value import SHOWN
from app.labels import fast_path, leases, progress
from app.labels.new_label import NewLabel
from app.labels.screen import Screen
from app.projects.dependencies import Access
from app.projects.queries import USER_WITH_PROJECT
from tests import factories


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    remembered: tuple[dict[Any, Any], ...] = (leases._hints, progress._totals, progress._today, fast_path._standings)
    for known in remembered:
        known.clear()
    yield
    for known in remembered:
        known.clear()


def at_once(session: Session, user: m.User, project: m.Project, assignment_id: int, answer: NewLabel) -> Screen | None:
    """The fast path of a member who was looked up just before, its statement in this session's transaction."""
    token_hash = session.scalar(select(m.WebSession.token_hash).where(m.WebSession.user_id == user.id).limit(1))
    token_hash = token_hash or factories.web_session(session, user).token_hash
    asked = {"token_hash": token_hash, "project": project.id}
    _, seen, member, version = session.execute(USER_WITH_PROJECT[Credential.COOKIE], asked).one()
    standing = fast_path.Standing.of(token_hash, Access(user, seen, member.role, member, version))
    assert standing is not None
    progress.count(session, project, user)

    async def fetch_one(statement: TextClause, values: Mapping[str, Any]) -> Any:
        return session.execute(statement, values).one_or_none()

    return asyncio.run(fast_path.save_and_claim(fetch_one, standing, assignment_id, answer))


def said(
    choice: str = "left", strength: int | None = None, questions: Mapping[str, str] | None = None, **over: Any
) -> NewLabel:
    """An answer to a comparison, in the form's words."""
    further = {question: SHOWN[word] for question, word in (questions or {}).items()}
    return NewLabel(ComparisonValue(choice=SHOWN[choice], strength=strength, questions=further), **over)


def outcomes(label: m.Label) -> dict[str, m.Outcome]:
    """question -> which of the item's responses is better, as it is stored."""
    return {stated.question: stated.outcome for stated in label.preferences}


def outcome_of(word: str, order: Sequence[int]) -> m.Outcome:
    """The stored outcome that a word of the form means, with the responses displayed in this order."""
    if word in ("left", "right"):
        position = order[0] if word == "left" else order[1]
        return (m.Outcome.FIRST, m.Outcome.SECOND)[position]
    return m.Outcome(word)


AddItems = Callable[..., list[m.Item]]


@pytest.fixture
def add_items(session: Session) -> AddItems:
    """`add_items(project, 3, overlap=2)`: items in the order in which they are asked."""

    def add(project: m.Project, count: int = 1, overlap: int = 1, **over: Any) -> list[m.Item]:
        values = {"overlap_target": overlap, "slots_left": overlap} | over
        return [
            factories.item(
                session,
                factories.prompt(session, project),
                project.base_model,
                **{"rank": float(place), **values},
            )
            for place in range(count)
        ]

    return add
