"""What is being deleted: projects and people of whom workers still delete something, and how much that is. Nobody else
finds them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from app.erasing import in_parts, person, project, project_in_parts
from app.models import Project, User

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Going:
    """One of them by its number: since when it goes, and what is left of it, by words in the plural."""

    kind: Literal["project", "person"]
    number: int
    since: datetime
    left: dict[str, int]


def going(session: Session) -> Sequence[Going]:
    """All of them, those first that began first."""
    found = [_project(session, number) for number in project_in_parts.waiting(session)]
    found += [_person(session, number) for number in in_parts.waiting(session)]
    return sorted((each for each in found if each), key=lambda each: each.since)


def _project(session: Session, number: int) -> Going | None:
    made = session.get(Project, number)
    if made is None or made.goes_since is None:
        return None
    return Going("project", number, made.goes_since, project.counts(session, number))


def _person(session: Session, number: int) -> Going | None:
    who = session.get_one(User, number)
    since = who.labels_go_since or who.chats_go_since
    if since is None:
        return None
    return Going("person", number, since, person.counts(session, who, with_labels=who.labels_go_since is not None))


def go_on(writing: in_parts.Writing) -> None:
    """Delete what is left of all of them, each `writing` a transaction; of those that cannot go now the others know
    nothing."""
    with writing() as session:
        people, projects = in_parts.waiting(session), project_in_parts.waiting(session)
    steps: list[tuple[Callable[[in_parts.Writing, int], bool], int, str]]
    steps = [(in_parts.go_on, number, "person") for number in people]
    steps += [(project_in_parts.go_on, number, "project") for number in projects]
    for delete, number, what in steps:
        try:
            delete(writing, number)
        except Exception:
            log.exception("%s %d could not be deleted further; it is tried again within a minute", what, number)
