"""`hone endpoints …`: models that answer through an OpenAI-compatible API."""

import asyncio
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.db import task_session
from app.models import Messages
from app.registry import endpoints
from app.registry.endpoint_api import EndpointView
from app.registry.endpoint_forms import EndpointChange, EndpointForm
from app.registry.trying import MOST_TOKENS, QUESTION
from workers.cli.data import As, acting
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


@commands.command("list")
def list_endpoints(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List them, those in use first."""
    with connected(), task_session() as session:
        views = [EndpointView.of(model) for model in endpoints.listed(session)]
    if as_json:
        for view in views:
            typer.echo(view.model_dump_json())
        return
    table = Table(box=None, header_style="bold")
    for column in ("endpoint", "name", "state", "model", "base URL", "tokens used", "limit"):
        table.add_column(column)
    for view in views:
        state = "in use" if view.state == "ready" else "retired"
        used = f"{view.tokens_in + view.tokens_out:,}"
        limit = "" if view.token_limit is None else f"{view.token_limit:,}"
        table.add_row(str(view.id), view.name, state, view.served_name, view.base_url, used, limit)
    Console().print(table if views else "No endpoints yet.")


@commands.command()
@_limited
def register(
    name: Annotated[str, typer.Argument(help="What managers see.")],
    base_url: Annotated[str, typer.Option("--base-url", help="Up to /v1, before /chat/completions.")],
    model: Annotated[str, typer.Option("--model", help="As the API names it.")],
    as_: As = None,
    *,
    limits: dict[str, object],
) -> None:
    """Offer a model behind an API to all projects."""
    new = EndpointForm.model_validate({"name": name, "base_url": base_url, "served_name": model} | limits)
    with connected(), task_session() as session:
        made = endpoints.register(session, acting(session, as_), new)
        typer.echo(f"Endpoint {made.id} is registered. Try it: hone endpoints try {made.id}")


@commands.command()
@_limited
def change(
    number: Number,
    name: Annotated[str | None, typer.Option("--name", help="What managers see.")] = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Up to /v1.")] = None,
    as_: As = None,
    *,
    limits: dict[str, object],
) -> None:
    """Change what is given; the rest stays."""
    given = limits | {field: value for field, value in (("name", name), ("base_url", base_url)) if value is not None}
    with connected(), task_session() as session:
        changes = EndpointChange.model_validate(given)
        endpoints.change(session, acting(session, as_), endpoints.get(session, number), changes)
    typer.echo("Saved.")


@commands.command()
def retire(number: Number, as_: As = None) -> None:
    """Ask it nothing more; its responses stay."""
    with connected(), task_session() as session:
        model = endpoints.retire(session, acting(session, as_), endpoints.get(session, number))
        typer.echo(f"{model.name} is retired.")


@commands.command("try")
def try_endpoint(number: Number) -> None:
    """Ask it one short question from this machine, and print what it answers or what went wrong."""
    from workers.sources.endpoint import Endpoint
    from workers.sources.errors import SourceError

    async def ask() -> str:
        messages: Messages = [{"role": "user", "content": QUESTION}]
        pieces = Endpoint(seconds=60).stream(number, messages, {"max_tokens": MOST_TOKENS})
        return "".join([piece async for piece in pieces if isinstance(piece, str)])

    with connected():
        try:
            said, well = asyncio.run(ask()).strip(), True
        except SourceError as error:
            said, well = str(error), False
        with task_session() as session:
            endpoints.tried(session, number, well, said)
    if not well:
        raise Unusable(said)
    typer.echo(said)
