"""`hone endpoints …`: models that answer through an OpenAI-compatible API."""

import asyncio
import inspect
import json
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from app.db import task_session
from app.models import Messages
from app.registry import endpoints
from app.registry.trying import MOST_TOKENS, QUESTION
from workers.cli.calls import Call, built, does
from workers.cli.reach import As, client, elsewhere
from workers.cli.telling import Json, tell, tell_all
from workers.platform.folder import Unusable
from workers.platform.services import connected

commands = typer.Typer(help="Models behind OpenAI-compatible APIs.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="The endpoint's number (`hone endpoints list`).")]
_LIMITS = {
    "key_name": Annotated[str | None, typer.Option("--key", help="The key's name in HONE_ENDPOINT_KEYS.")],
    "requests_per_minute": Annotated[
        int | None, typer.Option("--requests-per-minute", help="Over all runs; default: 60.")
    ],
    "at_once": Annotated[
        int | None, typer.Option("--at-once", help="Requests of one run at the same time; default: 4.")
    ],
    "token_limit": Annotated[
        int | None, typer.Option("--token-limit", help="Tokens in all; 0: no limit; default: 1,000,000.")
    ],
    "price_in": Annotated[float | None, typer.Option("--price-in", help="Of a million prompt tokens; only shown.")],
    "price_out": Annotated[float | None, typer.Option("--price-out", help="Of a million answer tokens; only shown.")],
}


def _limited(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of what an endpoint may take. It gets those that were given as `limits`."""

    @wraps(command)
    def run(**values: Any) -> None:
        limits = {name: value for name in _LIMITS if (value := values.pop(name)) is not None}
        if limits.get("token_limit") == 0:
            limits["token_limit"] = None
        command(**values, limits=limits)

    signature = inspect.signature(command)
    kept = [each for each in signature.parameters.values() if each.name != "limits"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _LIMITS.items()
    ]
    run.__signature__ = signature.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
    return run


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(commands, name="endpoints")
    commands.command("show")(built(Call("endpoints show", "show_endpoint")))
    commands.command("retire")(built(Call("endpoints retire", "retire_endpoint", "{name} is retired.")))


@commands.command("list")
@does("list_endpoints")
def list_endpoints(as_json: Json = False, as_: As = None) -> None:
    """List them, the newest first."""
    with client(as_) as hone:
        columns = ("id", "name", "state", "served_name", "base_url", "tokens_in", "tokens_out", "token_limit")
        words = {} if as_json else {"ready": "in use", "archived": "retired"}
        found = [each.model_copy(update={"state": words.get(each.state, each.state)}) for each in hone.list_endpoints()]
        tell_all(found, as_json, columns, "No endpoints yet.")


@commands.command()
@_limited
@does("register_endpoint")
def register(
    name: Annotated[str, typer.Argument(help="What managers see.")],
    base_url: Annotated[str, typer.Option("--base-url", help="Up to /v1, before /chat/completions.")],
    model: Annotated[str, typer.Option("--model", help="As the API names it.")],
    as_json: Json = False,
    as_: As = None,
    *,
    limits: dict[str, Any],
) -> None:
    """Offer a model behind an API to all projects."""
    with client(as_) as hone:
        made = hone.register_endpoint(name=name, base_url=base_url, served_name=model, **limits)
    tell(made, as_json, "Endpoint {id} is registered. Try it: hone endpoints try {id}")


@commands.command()
@_limited
@does("change_endpoint")
def change(
    number: Number,
    name: Annotated[str | None, typer.Option("--name", help="What managers see.")] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Up to /v1.")] = None,
    as_json: Json = False,
    as_: As = None,
    *,
    limits: dict[str, Any],
) -> None:
    """Change what is given; the rest stays."""
    given = limits | {field: value for field, value in (("name", name), ("base_url", base_url)) if value is not None}
    with client(as_) as hone:
        tell(hone.change_endpoint(number, **given), as_json, "Saved.")


@commands.command("try")
@does("try_endpoint")
def try_endpoint(number: Number, as_json: Json = False) -> None:
    """Ask it one short question from this machine, or from that of HONE_URL, and print what comes of it."""
    from workers.sources.endpoint import Endpoint
    from workers.sources.errors import SourceError

    async def ask() -> str:
        messages: Messages = [{"role": "user", "content": QUESTION}]
        pieces = Endpoint(seconds=60).stream(number, messages, {"max_tokens": MOST_TOKENS})
        return "".join([piece async for piece in pieces if isinstance(piece, str)])

    if elsewhere():
        with client() as hone:
            tried = hone.try_endpoint(number)
        return _tell(tried.tried_said or "", bool(tried.tried_well), as_json)
    with connected():
        try:
            said, well = asyncio.run(ask()).strip(), True
        except SourceError as error:
            said, well = str(error), False
        with task_session() as session:
            endpoints.tried(session, number, well, said)
    return _tell(said, well, as_json)


def _tell(said: str, well: bool, as_json: bool) -> None:
    if not well:
        raise Unusable(said)
    typer.echo(json.dumps({"said": said}, ensure_ascii=False) if as_json else said)
