"""How a training is started, by whatever method."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.methods import METHODS, Method, MethodForm
from app.models import Project, Run, User
from app.runs import copies, service
from app.web.errors import Invalid
from app.web.forms import invalid


def method(name: str) -> Method:
    """The method of this name; Invalid, with the names that there are, for another."""
    if name not in METHODS:
        raise Invalid(f"There is no method {name!r}; choose {', '.join(METHODS)}.", "method")
    return METHODS[name]


def checked(method: Method, given: Mapping[str, Any]) -> MethodForm:
    """The form of a method filled with what a program sends. Invalid, with a sentence for each setting at fault; an
    unknown name is told the nearest that there is."""
    known = list(method.form.model_fields)
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            hint = f" Did you mean {near[0]}?" if near else f" It takes {', '.join(known)}."
            raise Invalid(f"{method.title} has no setting {name!r}.{hint}", name)
    try:
        return method.form.model_validate(dict(given))
    except ValidationError as error:
        errors = invalid(error).errors
        raise Invalid("; ".join(f"{name}: {text}" for name, text in errors.items()), errors=errors) from None


def start(
    session: Session,
    project: Project,
    actor: User | None,
    method: Method,
    wanted: MethodForm | None = None,
    *,
    automatic: bool = False,
) -> Run:
    """Queue a training. Raises Conflict or Invalid, with a sentence, where what the method needs is not there."""
    wanted = wanted or checked(method, method.usual(session, project))
    parent = copies.parent(session, project, method.name, wanted.parent_id)
    inputs = method.inputs(session, project, wanted, parent if wanted.same_inputs else None)
    return service.create(
        session,
        project,
        wanted.config().model_copy(update={"rewards": list(inputs.rewards)}),
        model=inputs.model,
        method=method.name,
        reward_model=inputs.reward_model,
        snapshot=inputs.snapshot,
        created_by=actor,
        automatic=automatic,
        needs_gpu=wanted.needs_gpu,
        parent=parent,
    )
