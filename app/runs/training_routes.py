"""The page that starts a training, one for every method, and the list of methods that the pages of models show."""

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import escape
from sqlalchemy.orm import Session

from app.methods import METHODS, Method
from app.models import ModelKind, Project
from app.projects.dependencies import Access, Manager
from app.runs import copies, estimate, settings_form, training, views
from app.web.addresses import Named
from app.web.dependencies import Db, Submitted
from app.web.errors import Invalid, NotFound
from app.web.forms import parse
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()
TIMED = ("total_episodes", "num_train_epochs", "max_steps", "train_batch_size")  # settings that the time depends on


def offered(session: Session, project: Project, kind: ModelKind) -> list[tuple[Method, str | None]]:
    """The methods that make models of a kind, each with what is in its way now."""
    return [(method, method.missing(session, project)) for method in METHODS.values() if method.makes is kind]


@router.get("/projects/{project_id}/train/{method}")
def show_form(
    request: Request, session: Db, access: Manager, method: str, copy: Named = None, preset: str | None = None
) -> HTMLResponse:
    """The form of a method, filled with its defaults, a preset, or the settings of the run to `copy`."""
    found = _method(method)
    run = copies.parent(session, access.project, found.name, copy)
    if run is not None:
        return _page(request, session, access, found, copies.filled(run), {})
    if preset is not None and preset not in [each.name for each in found.presets]:
        raise Invalid(f"{found.title} has no such preset: {preset[:40]}.", "preset")
    values = next((dict(each.settings) for each in found.presets if each.name == preset), {})
    return _page(request, session, access, found, found.usual(session, access.project) | values, {}, preset=preset)


@router.get("/projects/{project_id}/train/{method}/estimate")
def show_estimate(request: Request, session: Db, access: Manager, method: str) -> HTMLResponse:
    """How long it will take, with the settings that the query has: a sentence for the page of the form."""
    found = estimate.of(session, access.project, _method(method), request.query_params)
    return HTMLResponse(escape(found.words))


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
    preset: str | None = None,
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
        preset=preset,
        estimate=estimate.of(session, project, method, values).words,
        timed=TIMED,
    )
