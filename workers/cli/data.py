"""`hone users | projects | status | skips | audit | sign-in-link`: who and what there is, and the way in."""

from datetime import datetime
from typing import Annotated, Any

import typer

from app.accounts import service as accounts
from app.db import task_session
from app.settings import get_settings
from app.web.errors import NotFound
from hone_client import Client, models
from workers.cli.calls import does
from workers.cli.reach import As, acting, client
from workers.cli.telling import Json, say, tell_all
from workers.platform.first_start import sign_in_url
from workers.platform.services import connected

Project = Annotated[int | None, typer.Option("--project", "-p", help="Only this project's.")]
NO_REASON = "none"


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    for name, command in (("sign-in-link", sign_in_link), ("projects", projects), ("status", status)):
        app.command(name)(command)
    app.command("skips")(skips)
    app.command("audit")(audit_trail)


def sign_in_link(
    email: Annotated[str | None, typer.Argument(help="Whose; default: the first administrator's.")] = None,
    forgotten: Annotated[
        bool, typer.Option("--forgotten", help="They forgot their password: it ends, with every open session.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print a link that signs one person in, once, within a day. On the machine of the platform alone."""
    with connected(), task_session() as session:
        user = acting(session, email)
        if user.disabled_at:
            raise NotFound(f"The account of {user.email} is disabled; enable it first.")
        token = accounts.reset_sign_in(session, None, user) if forgotten else accounts.issue_link(session, user)
        url = sign_in_url(get_settings(), token)
        say(as_json, url, url=url, email=user.email)


@does("list_users")
def users(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Only people with this in their name or e-mail address.")] = "",
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Everybody who has an account; without a further word they are listed."""
    if context.invoked_subcommand is None:
        with client(as_) as hone:
            found = hone.list_users(q=search or None)
            tell_all(found, as_json, ("id", "email", "name", "is_admin", "disabled_at"), "Nobody there.")


@does("list_projects")
def projects(
    archived: Annotated[bool, typer.Option("--archived", help="Those that were set aside.")] = False,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """List the projects with their numbers."""
    with client(as_) as hone:
        found = hone.list_projects(archived=archived)
        tell_all(found, as_json, ("id", "name", "role", "labels", "members"), "No projects yet.")


@does("list_skips")
def skips(
    project: Annotated[int, typer.Argument(help="Number of the project.")],
    reason: Annotated[str, typer.Option(help="Only skips for the reason of this id; `none`: without one.")] = "",
    item: Annotated[int | None, typer.Option(help="Only skips of the item with this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """List what annotators skipped, and why: counts by reason, then the newest."""
    with client(as_) as hone:
        counted = [
            each.model_copy(
                update={"reason": each.reason or "no reason given", "reason_id": each.reason_id or NO_REASON}
            )
            for each in hone.show_quality(project).skips
        ]
        found = hone.list_skips(project, reason=reason or None, item=item, limit=limit)
        if not as_json:
            tell_all(counted, False, ("reason", "reason_id", "count"), "Nothing was skipped.")
        tell_all(found, as_json, ("item_id", "annotator_id", "reason", "note"), "")


@does("show_loop")
def status(project: Project = None, as_json: Json = False, as_: As = None) -> None:
    """Say where each project's loop stands, what is at work, and what to do next, as its home page does."""
    with client(as_) as hone:
        found = [hone.show_project(project)] if project is not None else list(hone.list_projects())
        for each in found:
            now = hone.show_loop(each.id)
            if as_json:
                typer.echo(now.model_dump_json())
            else:
                _tell_loop(hone, each.id, each.name, now)
    if not found:
        typer.echo("There are no projects yet; make one on the page, or by `hone project create`.", err=as_json)


def _tell_loop(hone: Client, number: int, name: str, now: models.LoopView) -> None:
    typer.echo(
        f"{number} {name}\n"
        f"  prompts {now.prompts}, open pairs {now.open_items}, labels {now.labels} ({now.new_labels} new), "
        f"reward models {now.reward_models}, policies {now.policies}, current policy: {now.in_use_name}"
    )
    for run_id in now.active_runs.values():
        run = hone.find_run(run_id)
        pace = f", {run.step} of {run.total_steps} {run.unit or 'steps'}" if run.total_steps else ""
        typer.echo(f"  run {run.id} ({run.method or run.kind}) is {run.state}{pace}")
    typer.echo(f"  next: {now.next_step.title}. {now.next_step.reason}")


@does("list_events", "list_all_events")
def audit_trail(
    project: Project = None,
    action: Annotated[str, typer.Option(help="Only events whose name begins with this, such as member.")] = "",
    person: Annotated[int | None, typer.Option(help="Only what the person with this number did.")] = None,
    automatic: Annotated[bool, typer.Option("--automatic", help="Only what Hone did without being asked.")] = False,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day (UTC).")] = None,
    search: Annotated[str, typer.Option(help="Only sentences with these words, in any order.")] = "",
    before: Annotated[int | None, typer.Option(help="Only events with a lower number: those further back.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 50,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Say who did what, the latest first."""
    chosen: dict[str, Any] = {
        "action": action,
        "person": person,
        "automatic": automatic,
        "since": since.date() if since else None,
        "until": until.date() if until else None,
        "q": search,
        "before": before,
        "limit": limit,
    }
    with client(as_) as hone:
        found = hone.list_all_events(**chosen) if project is None else hone.list_events(project, **chosen)
        events = list(found)
    for event in events:
        line = f"{event.id:>6}  {event.at:%Y-%m-%d %H:%M}  {event.sentence}"
        typer.echo(event.model_dump_json() if as_json else line)
    if found.before:
        typer.echo(f"Further back: --before {found.before}", err=True)
    if not events:
        typer.echo("There are no such events.", err=True)
