"""Models in the JSON API. Those of a project are for its managers; registering one, and base models, for
administrators."""

from typing import Annotated

from fastapi import Query

from app.accounts.dependencies import Admin
from app.catalog import base, queries, service
from app.catalog.bulk import BULK_MODELS
from app.catalog.forms import BaseModelSource, ModelFilter, ModelsBulk, ProjectModelFilter, RegisteredModel
from app.catalog.table import MODELS
from app.models import Model
from app.projects import bulk
from app.projects.bulk import BulkDone
from app.projects.dependencies import Manager, ManagingAdmin
from app.projects.forms import BaseModelForm
from app.registry.views import ModelView
from app.web import tables
from app.web.dependencies import Db, RowId
from app.web.pages import page
from app.web.routing import Router
from app.web.slots import SlottedDownload
from app.web.views import Listing

router = Router(tags=["models"])


@router.get("/models")
def list_base_models(session: Db, user: Admin, chosen: Annotated[ModelFilter, Query()]) -> Listing[ModelView]:
    """The base models of the store, newest first. For administrators."""
    found = queries.base_models(chosen.kind, chosen.state)
    return Listing[ModelView].of(page(session, found, Model.id, chosen.before, chosen.limit))


@router.post("/models", status_code=201)
def register_base_model(session: Db, user: Admin, wanted: BaseModelSource) -> ModelView:
    """Fetch a base model from the hub or a folder, and offer it to all projects. It is there before where the same
    source was named before."""
    return ModelView.model_validate(service.register_base(session, user, wanted))


@router.get("/models/{model_id}")
def show_base_model(session: Db, user: Admin, model_id: RowId) -> ModelView:
    """One base model."""
    return ModelView.model_validate(service.get_base(session, model_id))


@router.get("/models/{model_id}/file")
def download_base_model(session: Db, user: Admin, model_id: RowId) -> SlottedDownload:
    """The model's Hugging Face folder as a tar file."""
    return service.download(service.get_base(session, model_id), user)


@router.post("/models/{model_id}/retry")
def retry_base_model(session: Db, user: Admin, model_id: RowId) -> ModelView:
    """Fetch a base model again that could not be fetched."""
    return ModelView.model_validate(service.retry(session, user, service.get_base(session, model_id)))


@router.post("/models/{model_id}/retire")
def retire_base_model(session: Db, user: Admin, model_id: RowId) -> ModelView:
    """Take a base model out of all choices and delete its files; the record stays. Not while a project has it."""
    return ModelView.model_validate(service.retire(session, user, service.get_base(session, model_id)))


@router.get("/projects/{project_id}/models")
def list_models(session: Db, access: Manager, chosen: Annotated[ProjectModelFilter, Query()]) -> Listing[ModelView]:
    """The project's policies and reward models and its base model, newest first or in another order, retired ones
    among them; or (`answering`) the models that may be asked in it, endpoints among them."""
    found = queries.of_project(access.project, chosen, chosen.answering)
    return Listing[ModelView].of(tables.page(session, MODELS, found, chosen.sort, chosen.before, chosen.limit))


@router.post("/projects/{project_id}/models/bulk")
def change_models(session: Db, access: Manager, body: ModelsBulk) -> BulkDone:
    """Do one thing to many models of the project: retire them. Up to 200 a call."""
    return bulk.call(session, access, BULK_MODELS, body.action, body)


@router.post("/projects/{project_id}/models", status_code=201)
def register_model(session: Db, access: ManagingAdmin, wanted: RegisteredModel) -> ModelView:
    """Fetch a policy or a reward model from the hub or a folder, for this project. Its run tells how that goes; a
    reward model then scores the project's responses. For administrators."""
    return ModelView.model_validate(service.register(session, access.project, access.user, wanted))


@router.get("/projects/{project_id}/models/{model_id}")
def show_model(session: Db, access: Manager, model_id: RowId) -> ModelView:
    """One model of the project."""
    return ModelView.model_validate(service.get(session, access.project, model_id))


@router.get("/projects/{project_id}/models/{model_id}/file")
def download_model(session: Db, access: Manager, model_id: RowId) -> SlottedDownload:
    """The model's Hugging Face folder as a tar file: what it holds, `from_pretrained` loads."""
    return service.download(service.get(session, access.project, model_id), access.user)


@router.post("/projects/{project_id}/models/{model_id}/retry")
def retry_model(session: Db, access: Manager, model_id: RowId) -> ModelView:
    """Fetch a model again that could not be fetched."""
    return ModelView.model_validate(service.retry(session, access.user, service.get(session, access.project, model_id)))


@router.post("/projects/{project_id}/models/{model_id}/retire")
def retire_model(session: Db, access: Manager, model_id: RowId) -> ModelView:
    """Take a policy or a reward model out of all choices and delete its files; the record stays. Not while it is in
    use or a run needs it."""
    model = service.get(session, access.project, model_id)
    service.require_own(model, access.user)
    return ModelView.model_validate(service.retire(session, access.user, model))


@router.post("/projects/{project_id}/base-model")
def change_base_model(session: Db, access: Manager, wanted: BaseModelForm) -> ModelView:
    """Have the project start from another base model; the one that it has is fetched again where that failed. Labels,
    snapshots, policies and reward models stay, and a promoted policy stays current."""
    return ModelView.model_validate(base.change(session, access.project, access.user, wanted.base_model))
