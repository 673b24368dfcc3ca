"""Deletion for good in the JSON API, and what it would do."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.dependencies import IN_PERSON, Admin
from app.chat import service as chat
from app.erasing import conversation, person, project, retention
from app.erasing.forms import Labels, PersonDeletion, ProjectDeletion, RetentionRule
from app.erasing.going import going
from app.projects.dependencies import Annotator, ArchivedManager
from app.web.dependencies import Db, RowId
from app.web.errors import Invalid
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["deletion"])


class DeletionView(View):
    """What a deletion would do: how much of what goes and stays, and why it cannot be done now."""

    name: str
    goes: dict[str, int]
    stays: dict[str, int]
    blocked: str | None


class GoingView(View):
    """What is being deleted, of which nothing else tells: since when, and how much of it is still there."""

    kind: Literal["project", "person"]
    number: int
    since: datetime
    left: dict[str, int] = Field(description="By words in the plural; once all are 0, it is gone within a minute")


class OldRunView(View):
    """A run whose folder is old enough to go, and what that frees by itself."""

    id: int
    project_id: int | None
    kind: str
    bytes: int


class RetentionView(View):
    """What a rule takes: folders of runs, and conversations; `bytes` in the store, all folders together, and
    `chat_bytes` of text in the database. `in_use`: runs that are old enough and at work or queued, which stay."""

    runs: list[OldRunView]
    bytes: int
    conversations: int
    chat_bytes: int
    in_use: list[int]


@router.get("/projects/{project_id}/deletion")
def show_project_deletion(session: Db, access: ArchivedManager) -> DeletionView:
    """What deleting the project would do. For its managers."""
    found = project.outlook(session, access.project)
    return DeletionView(name=access.project.name, **vars(found))


@router.post("/projects/{project_id}/delete", status_code=204, dependencies=[IN_PERSON])
def delete_project(session: Db, access: ArchivedManager, body: ProjectDeletion) -> None:
    """Delete an archived project for good, with all that is in it. Nobody finds it from then on; its rows and files go
    in parts. For its managers."""
    project.require_name(access.project, body.name)
    project.erase(session, access.project, access.user)


@router.get("/users/{user_id}/deletion")
def show_person_deletion(
    session: Db, user: Admin, user_id: RowId, labels: Annotated[Labels, Query()] = "keep"
) -> DeletionView:
    """What deleting a person would do. For administrators."""
    who = accounts.person(session, user_id)
    found = person.outlook(session, who, with_labels=labels == "delete")
    return DeletionView(name=who.email, **vars(found))


@router.post("/users/{user_id}/delete", status_code=204, dependencies=[IN_PERSON])
def delete_person(session: Db, user: Admin, user_id: RowId, body: PersonDeletion) -> None:
    """Delete what says who a person is for good; their chats, and labels that are to go, do so in parts, and what a
    deletion would do says how many are left. For administrators."""
    who = accounts.person(session, user_id)
    person.require_email(who, body.email)
    person.erase(session, user, who, with_labels=body.labels == "delete")


@router.get("/projects/{project_id}/chat/{conversation_id}/deletion")
def show_conversation_deletion(session: Db, access: Annotator, conversation_id: RowId) -> DeletionView:
    """What deleting one of my conversations would do."""
    found = chat.get(session, access.project, access.user, conversation_id)
    return DeletionView(name=found.title, **vars(conversation.outlook(session, found)))


@router.get("/deletions")
def list_deletions(session: Db, user: Admin) -> Listing[GoingView]:
    """What is being deleted in parts, those first that began first. For administrators."""
    return Listing[GoingView].of(going(session))


@router.get("/retention")
def show_retention(session: Db, user: Admin, rule: Annotated[RetentionRule, Query()]) -> RetentionView:
    """What a rule of retention would delete. Changes nothing. For administrators."""
    return _told(_found(session, rule))


@router.post("/retention", dependencies=[IN_PERSON])
def apply_retention(session: Db, user: Admin, rule: RetentionRule) -> RetentionView:
    """Delete what is older than this; what was deleted. For administrators."""
    found = _found(session, rule)
    told = _told(found)
    retention.apply(session, user, found)
    return told


def _found(session: Session, rule: RetentionRule) -> retention.Found:
    if rule.runs is None and rule.chats is None:
        raise Invalid("Say after how many days runs' folders or conversations are to go, or both.", "runs")
    return retention.find(session, rule.runs, rule.chats)


def _told(found: retention.Found) -> RetentionView:
    return RetentionView(
        runs=[
            OldRunView(id=run.id, project_id=run.project_id, kind=run.kind, bytes=retention.freed([run]))
            for run in found.runs
        ],
        bytes=retention.freed(found.runs),
        conversations=len(found.conversations),
        chat_bytes=found.chat_bytes,
        in_use=list(found.in_use),
    )
