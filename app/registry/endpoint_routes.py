"""The pages of endpoints, for administrators."""

from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.accounts.dependencies import Admin
from app.models import Model
from app.registry import endpoints
from app.registry.endpoint_forms import EndpointForm, EndpointLimits
from app.registry.trying import Tried
from app.web import seen
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.forms import parse, titles, typed
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()


@router.get("/endpoints")
def show_endpoints(request: Request, session: Db, user: Admin) -> Response:
    """All endpoints, and a form for one more."""
    return _list(request, session)


def _list(request: Request, session: Session, status: int = 200, **over: Any) -> Response:
    empty = {name: field.default for name, field in EndpointForm.model_fields.items() if not field.is_required()}
    values = {"name": "", "base_url": "", "served_name": ""} | empty
    context: dict[str, Any] = {"endpoints": endpoints.listed(session), "values": values, "errors": {}}
    return render(
        request, "registry/endpoints.html", status=status, fields=EndpointForm.model_fields, **(context | over)
    )


@router.post("/endpoints")
def register_endpoint(request: Request, session: Db, user: Admin, form: Submitted) -> Response:
    """Offer a model behind an API to all projects."""
    try:
        model = endpoints.register(session, user, parse(EndpointForm, form))
    except Invalid as refusal:
        return _list(request, session, 422, values=_values(form, EndpointForm), errors=refusal.errors)
    return redirect(f"/endpoints/{model.id}", f"{model.name} is registered. Try it now.")


@router.get("/endpoints/{model_id}")
def show_endpoint(request: Request, session: Db, user: Admin, model_id: RowId) -> Response:
    """One endpoint: what it is, what it has cost, and how to change it."""
    return _one(request, endpoints.get(session, model_id))


def _one(request: Request, model: Model, status: int = 200, **over: Any) -> Response:
    standing = _standing(model)
    context: dict[str, Any] = {"values": standing, "standing": standing, "errors": {}}
    return render(
        request, "registry/endpoint.html", status=status, model=model, endpoint=model.endpoint,
        fields=EndpointLimits.model_fields, **(context | over),
    )  # fmt: skip


@router.post("/endpoints/{model_id}")
def change_endpoint(request: Request, session: Db, user: Admin, model_id: RowId, form: Submitted) -> Response:
    """Save its name, address, key and limits."""
    model = endpoints.get(session, model_id)
    try:
        seen.require(form, _standing(model), titles(EndpointLimits))
        endpoints.change(session, user, model, parse(EndpointLimits, form))
    except Invalid as refusal:
        return _one(request, model, refusal.status, values=_values(form, EndpointLimits), errors=refusal.errors)
    return redirect(f"/endpoints/{model_id}", "Saved.")


@router.post("/endpoints/{model_id}/try")
def try_endpoint(session: Db, user: Admin, model_id: RowId) -> Response:
    """Ask it one short question now."""
    endpoints.call(session, model_id)
    return Tried(model_id, lambda: redirect(f"/endpoints/{model_id}"))


@router.post("/endpoints/{model_id}/retire")
def retire_endpoint(session: Db, user: Admin, model_id: RowId) -> Response:
    """Ask it nothing more."""
    model = endpoints.retire(session, user, endpoints.get(session, model_id))
    return redirect("/endpoints", f"{model.name} is retired. Its responses stay.")


def _standing(model: Model) -> dict[str, Any]:
    """The endpoint as its form shows it."""
    others = (name for name in EndpointLimits.model_fields if name != "name")
    return {"name": model.name} | {name: getattr(model.endpoint, name) for name in others}


def _values(form: Any, shape: type[EndpointLimits]) -> dict[str, str]:
    return dict.fromkeys(shape.model_fields, "") | typed(shape, form)
