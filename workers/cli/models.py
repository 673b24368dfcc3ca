"""`hone models …` and `hone base-models …`: the models of a project, those that projects start from, and what sources
of extensions offer."""

from typing import Annotated

import typer

from app import extensions
from app.db import task_session
from app.registry import service
from app.web.errors import Invalid
from workers.cli.calls import Call, add
from workers.cli.reach import As, acting
from workers.cli.telling import Json, say
from workers.platform.services import connected

_GROUPS = {
    "models": "The models of a project: made here, or brought from elsewhere.",
    "base-models": "Base models: what projects start from. For administrators.",
}
_COLUMNS = ("id", "kind", "name", "state", "source", "run_id", "error")
_FETCHED = "Model {id}, {name}, is {state}."
CALLS = (
    Call("models list", "list_models", columns=_COLUMNS),
    Call("models register", "register_model", _FETCHED, named=("source",)),
    Call("models show", "show_model"),
    Call("models download", "download_model"),
    Call("models retry", "retry_model", _FETCHED),
    Call("models bulk", "change_models", "{done} changed.", named=("action",)),
    Call("models retire", "retire_model", "{name} is retired."),
    Call("base-models list", "list_base_models", columns=_COLUMNS),
    Call("base-models register", "register_base_model", _FETCHED, named=("source",)),
    Call("base-models show", "show_base_model"),
    Call("base-models download", "download_base_model"),
    Call("base-models retry", "retry_base_model", _FETCHED),
    Call("base-models retire", "retire_base_model", "{name} is retired."),
)


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    add(app, _GROUPS, CALLS)["models"].command()(offer)


def offer(
    name: Annotated[str, typer.Argument(help="What managers see.")],
    source: Annotated[str, typer.Option("--from", help="The source that answers, as its extension names it.")],
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Offer a model of an extension's source to all projects. Endpoints have a command of their own."""
    from workers.sources.registry import added

    extensions.load()
    if source not in added():
        known = ", ".join(sorted(added())) or "none; HONE_EXTENSIONS names the modules that add some"
        raise Invalid(f"There is no source {source} of an extension. There are: {known}.")
    with connected(), task_session() as session:
        model = service.offer_elsewhere(session, acting(session, as_), name, source)
        say(as_json, f"Model {model.id} is offered.", id=model.id, name=model.name)
