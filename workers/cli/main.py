"""`hone`: the platform from a shell. Every command uses the services that the pages use."""

import json
import os
import sys
from dataclasses import asdict
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import OperationalError

from app import extensions
from app.settings import get_settings
from app.web.errors import Refused
from hone_client import HoneError
from workers.cli import backup as cli_backup
from workers.cli import data as cli_data
from workers.cli import endpoints as cli_endpoints
from workers.cli import erasing as cli_erasing
from workers.cli import evaluations as cli_evaluations
from workers.cli import exports as cli_exports
from workers.cli import importing as cli_importing
from workers.cli import models as cli_models
from workers.cli import plan as cli_plan
from workers.cli import retention as cli_retention
from workers.cli import runs as cli_runs
from workers.cli.account import add_to as add_account
from workers.cli.calls import add as add_calls
from workers.cli.table import CALLS, GROUPS
from workers.cli.telling import Json, say
from workers.platform.folder import Unusable
from workers.platform.services import connected, upgrade
from workers.platform.version import version

app = typer.Typer(
    name="hone",
    help="Collect preferences between two answers, learn a reward model, train a policy by PPO, serve it.\n\n"
    "Start with `hone up`; it prints the address and, the first time, a sign-in link. The other commands work "
    "beside a running platform, and start its database for their own time where none is running.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cli_data.add_to(app)
cli_backup.add_to(app)
cli_importing.add_to(app)
cli_runs.add_to(app)
cli_endpoints.add_to(app)
cli_erasing.add_to(app)
cli_retention.add_to(app)
cli_exports.add_to(app)
cli_models.add_to(app)
cli_evaluations.add_to(app)
cli_plan.add_to(app)
add_account(add_calls(app, GROUPS, CALLS))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hone {version()}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """What stands before every command."""


@app.command()
def up() -> None:
    """Start everything and keep it running until Ctrl-C: database, queue, web pages, workers, inference server.

    Settings come from the environment: HONE_DATA_DIR, HONE_PORT, DATABASE_URL, REDIS_URL … (`hone settings`).
    """
    from workers.platform.supervisor import up

    up()


@app.command()
def init(as_json: Json = False) -> None:
    """Prepare database and first records, as `hone up` does before it starts anything; for containers."""
    from workers.platform.first_start import ensure_first_records

    with connected(anew=True):
        link = ensure_first_records(get_settings()).link
    say(as_json, f"Sign in as the manager, once, with {link}" if link else "The database is ready.", sign_in=link)


@app.command()
def process(
    name: Annotated[str, typer.Argument(help="web, scheduling, sampling, training, files, gpu, inference.")],
) -> None:
    """Run one of the processes of `hone up` alone, as containers do. DATABASE_URL and REDIS_URL must be set."""
    from workers.platform.children import commands, environment
    from workers.platform.servers import refuse_unnamed_pooler

    known = commands(get_settings())
    if name not in known:
        raise Unusable(f"There is no process {name}; choose one of {', '.join(known)}.")
    if not (get_settings().database_url and get_settings().redis_url):
        raise Unusable("Set DATABASE_URL and REDIS_URL, or start everything with `hone up`.")
    if name != "inference":
        refuse_unnamed_pooler(get_settings().database_url or "")
    os.execve(known[name][0], known[name], environment(name))  # noqa: S606  our own command, no shell


@app.command()
def demo() -> None:
    """Walk the whole loop unattended with simulated annotators, and report. HONE_DEMO=small takes minutes."""
    from workers.demo.run import main

    raise typer.Exit(main())


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is there, what is wrong, and what to do about it. Ends with status 1 when something is wrong."""
    from workers.platform.doctor import examine

    findings = examine()
    for finding in findings:
        say(as_json, str(finding), **asdict(finding))
    raise typer.Exit(any(not finding.well for finding in findings))


@app.command()
def settings(as_json: Annotated[bool, typer.Option("--json", help="Names and values as JSON.")] = False) -> None:
    """List every setting: its environment variable, its value now, what it is for. Secrets are not shown."""
    rows = []
    for name, field in type(get_settings()).model_fields.items():
        variable = field.alias or f"HONE_{name.upper()}"
        value = getattr(get_settings(), name)
        hidden = value is not None and ("key" in name or "secret" in name or name in ("database_url", "redis_url"))
        rows.append({"variable": variable, "value": "(set)" if hidden else value, "about": field.description})
    if as_json:
        typer.echo(json.dumps(rows, default=str, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['variable']}={'' if row['value'] is None else row['value']}\n    {row['about']}")


@app.command()
def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only compare the models with the migrated schema.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the database to this version's schema. `hone up` does it on its own."""
    from workers.platform.migrate import drift

    with connected(anew=True):
        changed = upgrade()
        if check and (differences := drift()):
            raise Unusable("The schema and app.models differ; write a migration: " + "; ".join(differences))
        migrated = changed and not check
        say(as_json, "Migrated." if migrated else "The schema is up to date.", migrated=migrated)


def main() -> NoReturn:
    """Run a command; a foreseen error is one sentence on stderr and status 2. Files that it or its children write are
    their owner's alone: logs, models, exports."""
    os.umask(0o077)
    try:
        extensions.load()
        app(standalone_mode=True)
    except (Unusable, Refused, HoneError, extensions.ExtensionError) as error:
        _leave(str(error))
    except OperationalError as error:
        _leave(f"The database cannot be used: {' '.join(str(error.orig).split())}")
    except ValidationError as error:
        _leave("; ".join(_sentence(error.title, detail) for detail in error.errors()))
    except BrokenPipeError:  # the reader of a pipe left
        sys.stderr.close()
        sys.exit(0)
    sys.exit(0)


def _leave(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _sentence(form: str, detail: ErrorDetails) -> str:
    """One wrong setting, by the name that the person gave."""
    name = ".".join(str(part) for part in detail["loc"])
    if form == "Settings" and name.islower():
        name = f"HONE_{name.upper()}"
    return f"{name} ({detail['input']}): {detail['msg'].lower()}"
