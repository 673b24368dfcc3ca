"""Models in the JSON API."""

from app.catalog import base
from app.projects.dependencies import Manager
from app.projects.forms import BaseModelForm
from app.registry.views import ModelView
from app.web.dependencies import Db
from app.web.routing import Router

router = Router(tags=["models"])


@router.post("/projects/{project_id}/base-model")
def change_base_model(session: Db, access: Manager, wanted: BaseModelForm) -> ModelView:
    """Have the project start from another base model; the one that it has is fetched again where that failed. Labels,
    snapshots, policies and reward models stay, and a promoted policy stays current."""
    return ModelView.model_validate(base.change(session, access.project, access.user, wanted.base_model))
