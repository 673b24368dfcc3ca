"""`hone users | projects | skips | audit | sign-in-link`: people and data from a shell."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import events as account_events
from app.accounts import queries as account_queries
from app.accounts import service as accounts
from app.db import task_session
from app.home import service as home
from app.labels import skips as label_skips
from app.labels.forms import SkipFilter
from app.models import Project, User
from app.settings import get_settings
from app.web.errors import NotFound
from workers.platform.first_start import sign_in_url
from workers.platform.services import connected

As = Annotated[str | None, typer.Option("--as", help="E-mail of who does it; default: the first administrator.")]


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.command("sign-in-link")(sign_in_link)
    app.command("users")(users)
    app.command("projects")(projects)
    app.command("status")(status)
    app.command("skips")(skips)
    app.command("audit")(audit_trail)


def acting(session: Session, email: str | None) -> User:
    """Who acts: the person with this e-mail, else the first administrator."""
    if email is not None:
        user = account_queries.user_by_email(session, email)
        if user is None:
            raise NotFound(f"There is nobody with the e-mail {email}; `hone users` lists everybody.")
        return user
    admin = session.scalar(select(User).where(User.is_admin, User.disabled_at.is_(None)).order_by(User.id).limit(1))
    if admin is None:
        raise NotFound("There is no administrator yet; start the platform once with `hone up`.")
    return admin


def project_of(session: Session, number: int) -> Project:
    """The project with this number."""
    project = session.get(Project, number)
    if project is None:
        raise NotFound(f"There is no project {number}; `hone projects` lists them.")
    return project


def sign_in_link(
    email: Annotated[str | None, typer.Argument(help="Whose; default: the first administrator's.")] = None,
    forgotten: Annotated[
        bool, typer.Option("--forgotten", help="They forgot their password: it ends, with every open session.")
    ] = False,
) -> None:
    """Print a link that signs one person in, once, within a day."""
    with connected(), task_session() as session:
        user = acting(session, email)
        if user.disabled_at:
            raise NotFound(f"The account of {user.email} is disabled; enable it first.")
        token = accounts.reset_sign_in(session, None, user) if forgotten else accounts.issue_link(session, user)
        typer.echo(sign_in_url(get_settings(), token))


def users() -> None:
    """List everybody who has an account."""
    with connected(), task_session() as session:
        table = Table("e-mail", "name", "role", "account", box=None, header_style="bold")
        for user in session.scalars(select(User).order_by(User.id)):
            role = "administrator" if user.is_admin else "member"
            table.add_row(user.email, user.name, role, "disabled" if user.disabled_at else "open")
    Console().print(table)


def projects() -> None:
    """List the projects with their numbers and base models."""
    with connected(), task_session() as session:
        table = Table("project", "name", "base model", "state", box=None, header_style="bold")
        for project in session.scalars(select(Project).order_by(Project.id)):
            state = "archived" if project.archived_at else "open"
            table.add_row(str(project.id), project.name, project.base_model.name, state)
    Console().print(table)


def skips(
    project: Annotated[int, typer.Argument(help="Number of the project.")],
    reason: Annotated[str, typer.Option(help="Only skips for the reason of this id; `none`: without one.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
) -> None:
    """List what annotators skipped, and why: counts by reason, then the newest."""
    with connected(), task_session() as session:
        found = project_of(session, project)
        counted = Table("reason", "id", "skips", box=None, header_style="bold")
        for each in label_skips.counts(session, found):
            counted.add_row(
                escape(each.reason or "no reason given"), each.reason_id or label_skips.NONE, str(each.count)
            )
        listed = Table("pair", "by", "reason", "in their own words", box=None, header_style="bold")
        for skip in label_skips.listing(session, found, SkipFilter(reason=reason or None, limit=limit)).items:
            said = escape(skip.reason or "–"), escape(skip.note or "")
            listed.add_row(str(skip.item_id), escape(skip.annotator), *said)
        Console().print(counted)
        Console().print(listed)


def status(
    project: Annotated[int | None, typer.Option("--project", "-p", help="Only this project's.")] = None,
) -> None:
    """Say where each project's loop stands, what is at work, and what to do next, as its home page does."""
    with connected(), task_session() as session:
        query = select(Project).where(Project.archived_at.is_(None)).order_by(Project.id)
        found = [project_of(session, project)] if project is not None else session.scalars(query).all()
        for each in found:
            now = home.situation(session, each)
            step = home.next_step(now)
            typer.echo(
                f"{each.id} {each.name}\n"
                f"  prompts {now.prompts}, open pairs {now.open_items}, labels {now.labels} ({now.new_labels} new), "
                f"reward models {now.reward_models}, policies {now.policies}, in use: {now.in_use.name}"
            )
            for run in now.active:
                pace = f", {run.step} of {run.total_steps} {run.unit or 'steps'}" if run.total_steps else ""
                typer.echo(f"  run {run.id} ({run.method or run.kind.value}) is {run.state.value}{pace}")
            typer.echo(f"  next: {step.title}. {step.reason}")
    if not found:
        typer.echo("There are no projects yet; make one on the page.")


def audit_trail(
    project: Annotated[int | None, typer.Option("--project", "-p", help="Only this project's.")] = None,
    action: Annotated[str, typer.Option(help="Only events whose name begins with this, such as member.")] = "",
    before: Annotated[int | None, typer.Option(help="Only events with a lower number: those further back.")] = None,
) -> None:
    """Say who did what, the latest first."""
    with connected(), task_session() as session:
        number = project_of(session, project).id if project is not None else None
        found = account_events.tell(session, account_queries.events(session, number, before, action))
    for event in found.items:
        typer.echo(f"{event.id:>6}  {event.at:%Y-%m-%d %H:%M}  {event.sentence}")
    if found.before:
        typer.echo(f"Further back: --before {found.before}", err=True)
    if not found.items:
        typer.echo("There are no such events.", err=True)
