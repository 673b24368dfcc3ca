"""The pages of models."""

from fastapi import Request, Response

from app.catalog import base
from app.projects.dependencies import Manager
from app.projects.forms import BaseModelForm
from app.projects.routes import settings_page
from app.web.dependencies import Db, Submitted
from app.web.errors import Invalid
from app.web.forms import parse, typed
from app.web.render import redirect
from app.web.routing import Router

router = Router()


@router.post("/projects/{project_id}/base-model")
def change_base_model(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Start from another base model, or fetch the one that there is again."""
    before = access.project.base_model
    try:
        model = base.change(session, access.project, access.user, parse(BaseModelForm, form).base_model)
    except Invalid as refusal:
        said = {"base_model": typed(BaseModelForm, form)}
        wrong = {"base_model": refusal.errors}
        return settings_page(request, session, access, refusal.status, typed=said, wrong=wrong)
    return redirect(f"/projects/{access.project.id}/settings#base-model", base.said(model, before))
