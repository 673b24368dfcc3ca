"""The page that starts a training, one for every method, and the list of methods that the pages of models show."""

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from app.methods import METHODS, Method
from app.models import ModelKind, Project
from app.projects.dependencies import Access, Manager
from app.runs import copies, settings_form, training, views
from app.web.addresses import Named
from app.web.dependencies import Db, Submitted
from app.web.errors import Invalid, NotFound
from app.web.forms import parse
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()


def offered(session: Session, project: Project, kind: ModelKind) -> list[tuple[Method, str | None]]:
    """The methods that make models of a kind, each with what is in its way now."""
    return [(method, method.missing(session, project)) for method in METHODS.values() if method.makes is kind]


@router.get("/projects/{project_id}/train/{method}")
def show_form(request: Request, session: Db, access: Manager, method: str, copy: Named = None) -> HTMLResponse:
    """The form of a method, filled with its defaults or the settings of the run to `copy`."""
    found = _method(method)
    run = copies.parent(session, access.project, found.name, copy)
    return _page(request, session, access, found, copies.filled(run) if run else {}, {})


@router.post("/projects/{project_id}/train/{method}")
def start(request: Request, session: Db, access: Manager, form: Submitted, method: str) -> Response:
    """Queue a training."""
    found = _method(method)
    try:
        run = training.start(session, access.project, access.user, found, parse(found.form, form))
    except Invalid as invalid:
        errors = invalid.errors or {"form": invalid.message}
        return _page(request, session, access, found, dict(form), errors, invalid.status)
    return redirect(f"/projects/{access.project.id}/runs/{run.id}", f"{found.title} is queued.")


def _method(name: str) -> Method:
    if name not in METHODS:
        raise NotFound()
    return METHODS[name]


def _page(
    request: Request,
    session: Session,
    access: Access,
    method: Method,
    values: dict[str, Any],
    errors: dict[str, str],
    status: int = 200,
) -> HTMLResponse:
    project = access.project
    return render(
        request,
        "runs/train.html",
        status=status,
        method=method,
        missing=method.missing(session, project),
        form=settings_form.draw(method.form, values, method.choices(session, project)),
        copied=copies.parent(session, project, method.name, values.get("parent_id")),
        errors=errors,
        views=views,
    )
