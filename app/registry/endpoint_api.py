"""Endpoints in the JSON API. A key is named there and never shown."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from starlette.responses import JSONResponse

from app.accounts.dependencies import Admin
from app.db import task_session
from app.models import Endpoint, Model, ModelState
from app.registry import endpoints
from app.registry.endpoint_forms import EndpointChange, EndpointForm
from app.registry.trying import Tried
from app.web.dependencies import Db, RowId
from app.web.pages import Paging, page
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["endpoints"])


class EndpointView(View):
    """A model that answers through an API. Prices are of a million tokens; `tokens_estimated` of those used are by our
    own count. `tried_said` is what a short question brought: the response, or what went wrong."""

    id: int
    name: str
    state: ModelState
    base_url: str
    served_name: str
    key_name: str | None
    requests_per_minute: int
    at_once: int
    token_limit: int | None
    tokens_in: int
    tokens_out: int
    tokens_estimated: int
    price_in: float | None
    price_out: float | None
    cost: float | None
    tried_at: datetime | None
    tried_well: bool | None
    tried_said: str | None
    created_at: datetime

    @classmethod
    def of(cls, model: Model) -> "EndpointView":
        """The view of an endpoint's model."""
        endpoint = model.endpoint or Endpoint()
        own = {name for name in cls.model_fields if name not in ("id", "name", "state", "created_at")}
        return cls(
            id=model.id,
            name=model.name,
            state=model.state,
            created_at=model.created_at,
            **{name: getattr(endpoint, name) for name in own},
        )


@router.get("/endpoints")
def list_endpoints(session: Db, user: Admin, chosen: Annotated[Paging, Query()]) -> Listing[EndpointView]:
    """All endpoints, newest first. For administrators."""
    found = page(session, endpoints.registered(), Model.id, chosen.before, chosen.limit)
    return Listing[EndpointView](items=[EndpointView.of(model) for model in found.items], before=found.before)


@router.post("/endpoints", status_code=201)
def register_endpoint(session: Db, user: Admin, body: EndpointForm) -> EndpointView:
    """Offer a model behind an OpenAI-compatible API to all projects."""
    model = endpoints.register(session, user, body)
    session.refresh(model)
    return EndpointView.of(model)


@router.get("/endpoints/{model_id}")
def show_endpoint(session: Db, user: Admin, model_id: RowId) -> EndpointView:
    """One endpoint."""
    return EndpointView.of(endpoints.get(session, model_id))


@router.patch("/endpoints/{model_id}")
def change_endpoint(session: Db, user: Admin, model_id: RowId, body: EndpointChange) -> EndpointView:
    """Change an endpoint; what is left out stays. Another model is another endpoint."""
    return EndpointView.of(endpoints.change(session, user, endpoints.get(session, model_id), body))


@router.post("/endpoints/{model_id}/retire")
def retire_endpoint(session: Db, user: Admin, model_id: RowId) -> EndpointView:
    """Ask it nothing more; its responses stay."""
    return EndpointView.of(endpoints.retire(session, user, endpoints.get(session, model_id)))


@router.post("/endpoints/{model_id}/try", response_model=EndpointView)
def try_endpoint(session: Db, user: Admin, model_id: RowId) -> Tried:
    """Ask it one short question now; `tried_said` of the response tells how it went."""
    endpoints.call(session, model_id)
    return Tried(model_id, lambda: _shown(model_id))


def _shown(model_id: int) -> JSONResponse:
    with task_session() as session:
        return JSONResponse(EndpointView.of(endpoints.get(session, model_id)).model_dump(mode="json"))
