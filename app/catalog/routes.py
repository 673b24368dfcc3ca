"""The pages of models: those of a project, and the base models of all."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy.orm import Session

from app.accounts.dependencies import Admin
from app.catalog import base, queries, service
from app.catalog.bulk import BULK_MODELS
from app.catalog.forms import BaseModelSource, ProjectModelFilter, RegisteredModel
from app.catalog.table import MODELS
from app.models import Model
from app.projects import bulk
from app.projects.dependencies import Access, Manager, ManagingAdmin
from app.projects.forms import BaseModelForm
from app.projects.routes import settings_page
from app.runs import queries as runs_queries
from app.web import seen, tables
from app.web.addresses import Before
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.forms import parse, typed
from app.web.pages import page
from app.web.render import redirect, render
from app.web.routing import Router
from app.web.slots import SlottedDownload

router = Router()


@router.get("/models")
def show_base_models(request: Request, session: Db, user: Admin, before: Before = None) -> Response:
    """The base models of all projects, and a form for one more."""
    return _base_models(request, session, before)


def _base_models(
    request: Request, session: Session, before: int | None = None, status: int = 200, **over: Any
) -> Response:
    found = page(session, queries.base_models(), Model.id, before)
    users = queries.projects_of_base(session, [model.id for model in found.items])
    context: dict[str, Any] = {"found": found, "users": users, "source": "", "errors": {}}
    return render(request, "catalog/base_models.html", status=status, **(context | over))


@router.post("/models")
def register_base(request: Request, session: Db, user: Admin, form: Submitted) -> Response:
    """Fetch a base model and offer it to all projects."""
    try:
        model = service.register_base(session, user, parse(BaseModelSource, form))
    except Invalid as refusal:
        source = str(form.get("source", ""))
        return _base_models(request, session, status=refusal.status, source=source, errors=refusal.errors)
    return redirect("/models", f"{model.name} is {model.state.value}, and offered to all projects.")


@router.get("/models/{model_id}/file")
def download_base(session: Db, user: Admin, model_id: RowId) -> SlottedDownload:
    """The folder of a base model."""
    return service.download(service.get_base(session, model_id), user)


@router.post("/models/{model_id}/retry")
def retry_base(session: Db, user: Admin, model_id: RowId) -> Response:
    """Fetch a base model again."""
    model = service.retry(session, user, service.get_base(session, model_id))
    return redirect("/models", f"{model.name} is being fetched once more.")


@router.post("/models/{model_id}/retire")
def retire_base(session: Db, user: Admin, model_id: RowId) -> Response:
    """Take a base model out of all choices."""
    model = service.retire(session, user, service.get_base(session, model_id))
    return redirect("/models", f"{model.name} is retired; its files are deleted.")


@router.get("/projects/{project_id}/models")
def show_models(
    request: Request, session: Db, access: Manager, chosen: Annotated[ProjectModelFilter, Query()]
) -> Response:
    """All models of the project; for administrators a form to register one."""
    return _models(request, session, access, chosen)


def _models(
    request: Request, session: Session, access: Access, chosen: ProjectModelFilter | None = None, **over: Any
) -> Response:
    project, wanted = access.project, chosen or ProjectModelFilter()
    found = queries.of_project(project, wanted, wanted.answering)
    shown, total = tables.read(session, MODELS, found, wanted)
    empty = dict.fromkeys(RegisteredModel.model_fields, "")
    context: dict[str, Any] = {
        "project": project,
        "runs": {model.id: runs_queries.preparation_of(session, model.id) for model in shown.items if model.source},
        "fields": RegisteredModel.model_fields,
        "values": empty | {"kind": "reward"},
        "errors": {},
    }
    path = f"/projects/{project.id}/models"
    return tables.show(request, "catalog/models.html", MODELS, wanted, shown, total, path=path, **(context | over))


@router.get("/projects/{project_id}/models/bulk")
def ask_about_models(request: Request, session: Db, access: Manager) -> Response:
    """Ask whether something is to be done to many models."""
    return bulk.confirm(request, session, access, BULK_MODELS)


@router.post("/projects/{project_id}/models/bulk")
def change_models(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Do it."""
    return bulk.act(request, session, access, BULK_MODELS, form)


@router.post("/projects/{project_id}/models")
def register(request: Request, session: Db, access: ManagingAdmin, form: Submitted) -> Response:
    """Fetch a policy or a reward model for this project."""
    try:
        model = service.register(session, access.project, access.user, parse(RegisteredModel, form))
    except Invalid as refusal:
        values = typed(RegisteredModel, form)
        return _models(request, session, access, status=refusal.status, values=values, errors=refusal.errors)
    return redirect(
        f"/projects/{access.project.id}/models", f"{model.name} is being fetched; its run tells how it goes."
    )


@router.get("/projects/{project_id}/models/{model_id}/file")
def download(session: Db, access: Manager, model_id: RowId) -> SlottedDownload:
    """The folder of a model."""
    return service.download(service.get(session, access.project, model_id), access.user)


@router.post("/projects/{project_id}/models/{model_id}/retry")
def retry(session: Db, access: Manager, model_id: RowId) -> Response:
    """Fetch a model again."""
    model = service.retry(session, access.user, service.get(session, access.project, model_id))
    return redirect(f"/projects/{access.project.id}/models", f"{model.name} is being fetched once more.")


@router.post("/projects/{project_id}/models/{model_id}/retire")
def retire(session: Db, access: Manager, model_id: RowId) -> Response:
    """Take a model out of all choices."""
    model = service.get(session, access.project, model_id)
    service.require_own(model, access.user)
    service.retire(session, access.user, model)
    return redirect(f"/projects/{access.project.id}/models", f"{model.name} is retired; its files are deleted.")


@router.post("/projects/{project_id}/base-model")
def change_base_model(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Start from another base model, or fetch the one that there is again."""
    before = access.project.base_model
    try:
        seen.require(form, {"base_model": before.source})
        model = base.change(session, access.project, access.user, parse(BaseModelForm, form).base_model)
    except Invalid as refusal:
        said = {"base_model": typed(BaseModelForm, form)}
        wrong = {"base_model": refusal.errors}
        return settings_page(request, session, access, refusal.status, typed=said, wrong=wrong)
    return redirect(f"/projects/{access.project.id}/settings#base-model", base.said(model, before))
