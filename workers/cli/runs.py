"""`hone runs …`: list, show, start, follow, cancel and resume the long jobs of a project."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from app.methods import METHODS
from app.models import RunKind, RunState
from app.web.errors import Invalid
from hone_client import Client, models
from workers.cli.calls import Call, ProjectId, built, does
from workers.cli.following import told
from workers.cli.reach import As, client
from workers.cli.telling import Json, say, tell, tell_all
from workers.platform.folder import Unusable

runs = typer.Typer(
    help="The long jobs: preparation, sampling, training, scoring, evaluation.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip

Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting as name=value (none: no value), repeatable; see `hone runs settings`."),
]
RunId = Annotated[int, typer.Argument(help="The run's number (`hone runs list`).")]
COLUMNS = ("id", "project_id", "kind", "method", "name", "state", "step", "total_steps", "worker", "error")


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(runs, name="runs")
    for verb, operation, *columns in (
        ("metrics", "show_run_metrics"),
        ("samples", "list_run_samples", "step", "score", "response"),
    ):
        runs.command(verb)(built(Call(f"runs {verb}", operation, columns=columns)))
    runs.command("describe")(built(Call("runs describe", "describe_run", "Run {id} is described.")))
    runs.command("compare")(built(Call("runs compare", "compare_runs")))
    runs.command("estimate")(built(Call("runs estimate", "estimate_training", "{why}", named=("method",))))
    runs.command("bulk")(built(Call("runs bulk", "change_runs", "{done} changed.", named=("action",))))


@runs.command("list")
@does("list_runs", "list_all_runs")
def list_runs(
    project: Annotated[int | None, typer.Option("--project", "-p", help="Only this project's.")] = None,
    kind: Annotated[RunKind | None, typer.Option(help="Only runs of this kind.")] = None,
    method: Annotated[str | None, typer.Option(help="Only trainings by this method.")] = None,
    state: Annotated[RunState | None, typer.Option(help="Only runs in this state.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only runs with this tag.")] = None,
    search: Annotated[str, typer.Option(help="Only runs with this in their names or notes.")] = "",
    before: Annotated[int | None, typer.Option(help="Only runs with a lower number: those further back.")] = None,
    sort: Annotated[str | None, typer.Option(help="A column; with - before it, from the largest on.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.")] = 20,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """List runs, the newest first."""
    wanted: dict[str, Any] = {
        "kind": kind, "method": method, "state": state, "tag": tag, "search": search, "before": before, "sort": sort,
        "limit": limit,
    }  # fmt: skip
    with client(as_) as hone:
        found = hone.list_all_runs(**wanted) if project is None else hone.list_runs(project, **wanted)
        tell_all(found, as_json, COLUMNS, "No runs.")


@runs.command()
@does("show_run", "find_run")
def show(run_id: RunId, as_json: Json = False, as_: As = None) -> None:
    """Everything about one run, as JSON: its settings, state, progress and result."""
    with client(as_) as hone:
        run = hone.find_run(run_id)
    typer.echo(run.model_dump_json(indent=None if as_json else 2))


@runs.command()
@does("start_training", "sample_items")
def start(
    what: Annotated[str, typer.Argument(help="A method of training (`hone runs methods`), or sampling.")],
    project: ProjectId,
    setting: Setting = None,
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="A YAML or JSON file of settings; --set wins over it.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for its end, telling how far it is.")] = False,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Start a run with the defaults of the page, changed by --set: hone runs start ppo -p 1 --set beta=0.1"""
    given = (_read(settings_file) if settings_file else {}) | _settings(setting or [])
    with client(as_) as hone:
        run: models.RunView | None
        if what == "sampling":
            if given:
                raise Invalid("Sampling takes no settings here; they are those of the project.")
            number = hone.sample_items(project).run
            run = None if number is None else hone.find_run(number)
        else:
            run = hone.start_training(project, method=what, settings=given)
        if run is None:
            typer.echo("Nothing to do: the queue is full, or a run is in progress.", err=as_json)
        elif follow:
            tell(told(hone, run), as_json, "Run {id} has {state}.")
        else:
            tell(run, as_json, "Run {id} is queued.")


@runs.command()
@does("list_methods")
def methods(
    project: Annotated[int | None, typer.Option("--project", "-p", help="Says what is missing there.")] = None,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """List the methods of training that `start` takes."""
    if project is None and not as_json:
        for method in METHODS.values():
            typer.echo(f"{method.name}: {method.verb}\n    {method.help}\n    Needed: {method.needs}")
        return
    with client(as_) as hone:
        number = project if project is not None else next(iter(hone.list_projects())).id
        tell_all(hone.list_methods(number), as_json, ("name", "title", "missing"), "No methods.")


@runs.command()
def settings(
    method: Annotated[str, typer.Argument(help="A method of training (`hone runs methods`).")], as_json: Json = False
) -> None:
    """List the settings that `start --set` takes, with their defaults."""
    if method not in METHODS:
        raise Invalid(f"{method} cannot be started here; choose {', '.join(METHODS)} or sampling.")
    for name, field in METHODS[method].form.model_fields.items():
        default, about = field.default, field.description or field.title
        sentence = f"{name}={'' if default is None else default}\n    {about}"
        say(as_json, sentence, name=name, default=default, about=about)


@runs.command()
def follow(run_id: RunId, as_json: Json = False, as_: As = None) -> None:
    """Wait for a run's end, telling how far it is; ends with status 2 where it fails or is cancelled."""
    with client(as_) as hone:
        tell(told(hone, hone.find_run(run_id)), as_json, "Run {id} has {state}.")


@runs.command()
@does("cancel_run")
def cancel(run_id: RunId, as_json: Json = False, as_: As = None) -> None:
    """Stop a run at its next step; its checkpoint is kept."""
    with client(as_) as hone:
        run = hone.cancel_run(_project_of(hone, run_id), run_id)
    done = run.state == "cancelled"
    tell(run, as_json, "Run {id} is cancelled." if done else "Run {id} stops at its next step.")


@runs.command()
@does("resume_run")
def resume(run_id: RunId, as_json: Json = False, as_: As = None) -> None:
    """Queue a failed or cancelled run again; it goes on from its last checkpoint."""
    with client(as_) as hone:
        tell(hone.resume_run(_project_of(hone, run_id), run_id), as_json, "Run {id} is queued again.")


@runs.command()
@does("clone_run")
def clone(run_id: RunId, as_json: Json = False, as_: As = None) -> None:
    """Queue a new run with the same inputs and settings."""
    with client(as_) as hone:
        tell(hone.clone_run(_project_of(hone, run_id), run_id), as_json, "Run {id} is queued.")


@runs.command()
@does("delete_run")
def delete(run_id: RunId, as_json: Json = False, as_: As = None) -> None:
    """Delete an ended run with its folder."""
    with client(as_) as hone:
        hone.delete_run(_project_of(hone, run_id), run_id)
    if not as_json:
        typer.echo(f"Run {run_id} is deleted.")


@runs.command()
@does("show_run_log")
def log(run_id: RunId, as_json: Json = False, as_: As = None) -> None:
    """Print the end of a run's log."""
    with client(as_) as hone:
        tell(hone.show_run_log(_project_of(hone, run_id), run_id), as_json, "{log}")


def _project_of(hone: Client, run_id: int) -> int:
    """The project by which a run is asked for; of a base model's preparation one that waits for it."""
    run = hone.find_run(run_id)
    if run.project_id is not None:
        return run.project_id
    for each in hone.list_projects():
        if hone.show_project(each.id).base_model_id == run.model_id:
            return each.id
    raise Unusable(f"No project has the base model of run {run_id} any more.")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise Unusable(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(values, dict):
        raise Unusable(f"{path} must hold settings as name: value.")
    return {str(name): value for name, value in values.items()}


def _settings(items: list[str]) -> dict[str, str | None]:
    given = {name: None if value == "none" else value for name, _, value in (item.partition("=") for item in items)}
    if broken := [item for item in items if "=" not in item]:
        raise Invalid(f"--set wants name=value, not {broken[0]!r}.")
    return given
