"""Pages on which something is deleted for good: what goes and what stays, and a name to type."""

from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.dependencies import Admin
from app.chat import service as chat
from app.erasing import conversation, person, project, retention
from app.erasing.forms import PersonDeletion, ProjectDeletion, RetentionRule
from app.erasing.going import going
from app.models import User
from app.projects.dependencies import Access, Annotator, ArchivedManager
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.filters import plural, size
from app.web.forms import parse, typed
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()


@router.get("/projects/{project_id}/delete")
def show_project(request: Request, session: Db, access: ArchivedManager) -> Response:
    """What deleting the project would do."""
    return _project(request, session, access)


def _project(request: Request, session: Session, access: Access, status: int = 200, **over: Any) -> Response:
    context: dict[str, Any] = {"section": "settings", "project": access.project, "name": "", "errors": {}}
    context["outlook"] = project.outlook(session, access.project)
    return render(request, "erasing/project.html", status=status, **(context | over))


@router.post("/projects/{project_id}/delete")
def delete_project(request: Request, session: Db, access: ArchivedManager, form: Submitted) -> Response:
    """Delete it."""
    try:
        project.require_name(access.project, parse(ProjectDeletion, form).name)
    except Invalid as refusal:
        name = typed(ProjectDeletion, form).get("name", "")
        return _project(request, session, access, 422, name=name, errors=refusal.errors)
    name = access.project.name
    project.erase(session, access.project, access.user)
    return redirect("/", f"{name} was deleted. What it held goes in parts, others can work meanwhile.")


@router.get("/users/{user_id}/delete")
def show_person(request: Request, session: Db, user: Admin, user_id: RowId) -> Response:
    """What deleting a person would do, with their labels or without."""
    return _person(request, session, accounts.person(session, user_id))


def _person(request: Request, session: Session, who: User, status: int = 200, **over: Any) -> Response:
    if who.labels_go_since or who.chats_go_since:
        return _going(request, session, who)
    context: dict[str, Any] = {"who": who, "email": "", "labels": "keep", "errors": {}}
    context["outlooks"] = {
        "keep": person.outlook(session, who, with_labels=False),
        "delete": person.outlook(session, who, with_labels=True),
    }
    return render(request, "erasing/person.html", status=status, **(context | over))


def _going(request: Request, session: Session, who: User) -> Response:
    left = person.outlook(session, who, with_labels=who.labels_go_since is not None)
    return render(request, "erasing/going.html", who=who, outlook=left)


@router.post("/users/{user_id}/delete")
def delete_person(request: Request, session: Db, user: Admin, user_id: RowId, form: Submitted) -> Response:
    """Delete them."""
    who = accounts.person(session, user_id)
    try:
        wanted = parse(PersonDeletion, form)
        person.require_email(who, wanted.email)
    except Invalid as refusal:
        said = {"email": "", "labels": "keep"} | typed(PersonDeletion, form)
        return _person(request, session, who, 422, errors=refusal.errors, **said)
    person.erase(session, user, who, with_labels=wanted.labels == "delete")
    what = "labels and conversations" if who.labels_go_since else "conversations"
    return redirect("/users", f"Person {who.id} was deleted. Their {what} go in parts, others can work meanwhile.")


@router.get("/projects/{project_id}/chat/{conversation_id}/delete")
def show_conversation(request: Request, session: Db, access: Annotator, conversation_id: RowId) -> Response:
    """What deleting a conversation would do."""
    found = chat.get(session, access.project, access.user, conversation_id)
    return render(
        request,
        "erasing/conversation.html",
        section="chat",
        project=access.project,
        conversation=found,
        outlook=conversation.outlook(session, found),
    )


@router.get("/retention")
def show_retention(request: Request, session: Db, user: Admin, runs: str = "", chats: str = "") -> Response:
    """A rule of retention, and what it would delete."""
    return _retention(request, session, {"runs": runs, "chats": chats})


def _retention(request: Request, session: Session, said: dict[str, str]) -> Response:
    found, rows, errors = None, [], {}
    if said["runs"] or said["chats"]:
        try:
            rule = RetentionRule.model_validate({name: value for name, value in said.items() if value})
        except ValueError:
            errors = {"runs": "Give whole numbers of days, from 1 to 36,500."}
        else:
            found = retention.find(session, rule.runs, rule.chats)
            rows = [(run, retention.freed([run])) for run in found.runs]
    return render(
        request,
        "erasing/retention.html",
        status=422 if errors else 200,
        said=said,
        going=going(session),
        found=found,
        rows=rows,
        freed=retention.freed(found.runs) if found else 0,
        errors=errors,
    )


@router.post("/retention")
def apply_retention(session: Db, user: Admin, form: Submitted) -> Response:
    """Delete what a rule takes now."""
    rule = parse(RetentionRule, form)
    found = retention.find(session, rule.runs, rule.chats)
    folders = f"{plural(len(found.runs), 'folder')} of runs ({size(retention.freed(found.runs))})"
    retention.apply(session, user, found)
    return redirect("/retention", f"Deleted: {folders}, {plural(len(found.conversations), 'conversation')}.")
