"""The rules of endpoints: models that answer through somebody's API. Who asks them is in `workers.sources`; here is
which there are, what each may be asked, and what it has cost.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session, joinedload

from app.accounts import audit
from app.models import ENDPOINT, Endpoint, Model, ModelKind, ModelState, User
from app.quotas import service as quotas
from app.registry import addresses
from app.registry.endpoint_forms import EndpointChange, EndpointForm, EndpointLimits
from app.web.errors import Conflict, Invalid, NotFound


@dataclass(frozen=True)
class Call:
    """Where a request goes, and within which bounds. Holds the name of a key, never a key."""

    model_id: int
    name: str
    base_url: str
    served_name: str
    key_name: str | None
    requests_per_minute: int
    at_once: int


def register(session: Session, actor: User | None, new: EndpointForm) -> Model:
    """Offer a model behind an API to all projects. Its name is new among them."""
    values = new.model_dump(exclude={"name"}) | {"base_url": addresses.base_url(new.base_url)}
    _require_new_name(session, new.name)
    model = Model(
        kind=ModelKind.BASE, name=new.name, answers_from=ENDPOINT, offered=True, state=ModelState.READY, metrics={}
    )
    model.endpoint = Endpoint(**values)
    session.add(model)
    session.flush()
    audit.record(session, actor, "endpoint.registered", subject=model, **_told(model))
    return model


def change(session: Session, actor: User | None, model: Model, new: EndpointChange | EndpointLimits) -> Model:
    """Change what was sent. What it was before is in the audit trail."""
    endpoint = _active(model)
    given = new.model_dump(exclude_unset=True)
    if "base_url" in given:
        given["base_url"] = addresses.base_url(given["base_url"])
    if (name := given.pop("name", model.name)) != model.name:
        _require_new_name(session, name)
    before = _told(model)
    model.name = name
    for field, value in given.items():
        setattr(endpoint, field, value)
    session.flush()
    changed: dict[str, Any] = {
        field: [old, _told(model)[field]] for field, old in before.items() if old != _told(model)[field]
    }
    if changed:
        audit.record(session, actor, "endpoint.changed", subject=model, **changed)
    return model


def retire(session: Session, actor: User | None, model: Model) -> Model:
    """Ask it nothing more. Its row stays, since its responses name it."""
    _active(model)
    model.state, model.offered = ModelState.ARCHIVED, False
    session.flush()
    audit.record(session, actor, "endpoint.retired", subject=model)
    return model


def get(session: Session, model_id: int) -> Model:
    """The model of an endpoint, retired or not; NotFound for any other."""
    model = session.get(Model, model_id, options=[joinedload(Model.endpoint)])
    if model is None or model.answers_from != ENDPOINT:
        raise NotFound("There is no such endpoint.")
    return model


def registered() -> Select[Model]:
    """All endpoints."""
    return select(Model).where(Model.answers_from == ENDPOINT).options(joinedload(Model.endpoint))


def listed(session: Session) -> list[Model]:
    """All of them, those in use first."""
    return list(session.scalars(registered().order_by(Model.offered.desc(), Model.name, Model.id)))


def call(session: Session, model_id: int) -> Call:
    """How an endpoint is asked now. Conflict with a sentence where it was retired."""
    model = get(session, model_id)
    endpoint = _active(model)
    return Call(
        model.id, model.name, endpoint.base_url, endpoint.served_name, endpoint.key_name,
        endpoint.requests_per_minute, endpoint.at_once,
    )  # fmt: skip


def reserve(
    session: Session, model_id: int, tokens_in: int, tokens_out: int, project_id: int | None = None
) -> str | None:
    """Count a request at its most before it is sent, with the endpoint and with the project that it is for: None, or a
    sentence where it would pass the endpoint's limit or the project's quota. Holds for everybody who asks at once;
    whoever is killed before `settle` leaves it counted."""
    wanted = tokens_in + tokens_out
    if project_id is not None and (left := quotas.spend(session, project_id, wanted)) is not None:
        return (
            f"The project's quota of tokens is used up: {left:,} are left, and this request may take {wanted:,}. An "
            "administrator can raise the quota."
        )
    used = Endpoint.tokens_in + Endpoint.tokens_out
    counted = session.scalar(
        update(Endpoint)
        .where(
            Endpoint.model_id == model_id,
            or_(Endpoint.token_limit.is_(None), used + wanted <= Endpoint.token_limit),
        )
        .values(tokens_in=Endpoint.tokens_in + tokens_in, tokens_out=Endpoint.tokens_out + tokens_out)
        .returning(Endpoint.model_id)
    )
    if counted is not None:
        return None
    if project_id is not None:
        quotas.correct(session, project_id, -wanted)
    left = session.scalar(select(Endpoint.token_limit - used).where(Endpoint.model_id == model_id)) or 0
    return (
        f"Its spending limit is reached: {left:,} tokens are left, and this request may take {wanted:,}. An "
        "administrator can raise the limit."
    )


def settle(
    session: Session,
    model_id: int,
    reserved: tuple[int, int],
    taken: tuple[int, int],
    estimated: int,
    project_id: int | None = None,
) -> None:
    """What a reserved request took in the end: (prompt, response), `estimated` of both by our own estimate."""
    if project_id is not None:
        quotas.correct(session, project_id, sum(taken) - sum(reserved))
    session.execute(
        update(Endpoint)
        .where(Endpoint.model_id == model_id)
        .values(
            tokens_in=Endpoint.tokens_in + taken[0] - reserved[0],
            tokens_out=Endpoint.tokens_out + taken[1] - reserved[1],
            tokens_estimated=Endpoint.tokens_estimated + estimated,
        )
    )


def tried(session: Session, model_id: int, well: bool, said: str) -> None:
    """Keep what a short question brought."""
    session.execute(
        update(Endpoint)
        .where(Endpoint.model_id == model_id)
        .values(tried_at=datetime.now(UTC), tried_well=well, tried_said=said[:2_000])
    )


def _active(model: Model) -> Endpoint:
    if model.endpoint is None or model.state is not ModelState.READY:
        raise Conflict(f"{model.name} was retired and is asked nothing more. Choose another model.")
    return model.endpoint


def _require_new_name(session: Session, name: str) -> None:
    taken = select(Model.id).where(Model.answers_from == ENDPOINT, Model.offered, Model.name == name)
    if session.scalar(taken.limit(1)) is not None:
        raise Invalid(f"There is an endpoint named {name} already.", field="name")


def _told(model: Model) -> dict[str, Any]:
    """What the audit trail says of an endpoint."""
    fields = [field for field in EndpointForm.model_fields if field != "name"]
    return {"name": model.name} | {field: getattr(model.endpoint, field) for field in fields}
