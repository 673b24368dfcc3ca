"""Commands made of the client's methods: each argument of the call is an option, so that the two cannot come apart.

A path's numbers are arguments, `project_id` is --project, the rest are options; what is no number, text or choice is
given as JSON, or as @FILE. Every command has --json.
"""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from hone_client import Client, Download, Pages
from hone_client.calling import OMIT, Omit
from workers.cli.reach import As, client
from workers.cli.telling import Json, tell, tell_all
from workers.platform.folder import Unusable

_SAYS = re.compile(r"^`(\w+)`: (.*(?:\n {4}.*)*)", re.MULTILINE)
_PLAIN = (int, float, str, bool)
_NULL = object()
"""Of an option: null, where None is that it was not given."""
_EMPTY, _NONE = inspect.Parameter.empty, type(None)
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
ProjectId = Annotated[int, typer.Option("--project", "-p", help="The project's number (`hone projects`).")]


@dataclass(frozen=True)
class Call:
    """A command by its words, and the operation that it calls.

    `says` is a sentence with fields of the response; `columns` are those of a list's table. `fixed` are arguments that
    the command's words stand for, `named` those that are given by place, `words` the flags of others where they have
    names of their own.
    """

    command: str
    operation: str
    says: str | None = None
    columns: Sequence[str] = ()
    fixed: dict[str, Any] = field(default_factory=dict)
    named: Sequence[str] = ()
    words: dict[str, str] = field(default_factory=dict)
    help: str | None = None


def does(*operations: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a command of its own as one that does these operations."""

    def mark(command: Callable[..., None]) -> Callable[..., None]:
        command.__dict__["operations"] = operations
        return command

    return mark


def built(call: Call) -> Callable[..., None]:
    """The command of a call, for `typer`."""
    method = getattr(Client, call.operation)
    hints = get_type_hints(method, include_extras=True)
    about = inspect.getdoc(method) or ""
    says = {name: " ".join(text.split()) for name, text in _SAYS.findall(about)}
    json_ones: set[str] = set()
    parameters = []
    for name, parameter in inspect.signature(method).parameters.items():
        if name in ("self", "idempotency_key") or name in call.fixed:
            continue
        kind, needed = _plain(hints[name]), parameter.default is _EMPTY
        if kind is None:
            json_ones.add(name)
        nullable = kind in (int, float) and _NONE in get_args(hints[name]) and parameter.default is OMIT
        parameters.append(_parameter(call, name, kind, needed, says.get(name, ""), nullable))
    responses_file = hints["return"] is Download
    if responses_file:
        output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write; default: stdout.")]
        parameters.append(inspect.Parameter("output", _KEYWORD, default=None, annotation=output))
    else:
        parameters.append(inspect.Parameter("as_json", _KEYWORD, default=False, annotation=Json))
    parameters.append(inspect.Parameter("as_", _KEYWORD, default=None, annotation=As))

    def run(as_: str | None, as_json: bool = False, output: Path | None = None, **given: Any) -> None:
        sent = {name: _read(name, value) if name in json_ones else value for name, value in given.items()}
        sent = {name: value for name, value in sent.items() if value is not None and value != []}
        sent = {name: None if value is _NULL else value for name, value in sent.items()}
        with client(as_) as hone:
            response = getattr(hone, call.operation)(**sent, **call.fixed)
            _tell(call, response, as_json, output)

    run.__doc__ = call.help or about.split("\n\n")[0].split("\n`")[0]
    run.__signature__ = inspect.Signature(sorted(parameters, key=lambda each: each.default is not _EMPTY))  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__dict__["operations"] = (call.operation,)
    return run


def _parameter(call: Call, name: str, kind: Any, needed: bool, says: str, nullable: bool) -> inspect.Parameter:
    if name == "project_id" and call.command.startswith("project "):
        number = typer.Argument(help="The project's number (`hone projects`).", metavar="PROJECT")
        return inspect.Parameter(name, _KEYWORD, annotation=Annotated[int, number])
    if name == "project_id":
        return inspect.Parameter(name, _KEYWORD, annotation=ProjectId)
    if name == "limit":
        option = typer.Option("--limit", min=1, help="How many at most, the newest first.")
        return inspect.Parameter(name, _KEYWORD, default=50, annotation=Annotated[int, option])
    annotation = str if kind is None else kind
    if name in call.named or (needed and (name == "file" or name.endswith("_id") or name == "number")):
        argument = typer.Argument(help=says or None, metavar=name.removesuffix("_id").upper())
        return inspect.Parameter(name, _KEYWORD, annotation=Annotated[annotation, argument])
    flag = call.words.get(name) or f"--{name.replace('_', '-')}"
    if annotation is bool and "/" not in flag and not needed:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    if nullable:

        def parsed(text: str) -> Any:
            return _NULL if text == "none" else annotation(text)

        number = typer.Option(flag, help=says or None, parser=parsed, metavar="NUMBER|none")
        return inspect.Parameter(name, _KEYWORD, default=None, annotation=Annotated[Any, number])
    option = typer.Option(flag, help=f"{says} JSON, or @FILE.".strip() if kind is None else says or None)
    if needed:
        return inspect.Parameter(name, _KEYWORD, annotation=Annotated[annotation, option])
    return inspect.Parameter(name, _KEYWORD, default=None, annotation=Annotated[annotation | None, option])


def _plain(annotation: Any) -> Any:
    """The type as the command line takes it; None where it takes JSON."""
    several = get_origin(annotation) in (Union, UnionType)
    kinds = [each for each in (get_args(annotation) if several else [annotation]) if each not in (_NONE, Omit)]
    if Path in kinds:
        return Path
    if len(kinds) != 1:
        return None
    [kind] = kinds
    if get_origin(kind) is list and get_args(kind)[0] in (int, str):
        return kind
    if get_origin(kind) is list and get_origin(get_args(kind)[0]) is Literal:
        return list[str]
    return kind if kind in _PLAIN or get_origin(kind) is Literal else None


def _read(name: str, given: str | None) -> Any:
    """A value that is given as JSON, or as the name of a file of it."""
    if given is None:
        return None
    try:
        text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
        return json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{given[1:]} cannot be read: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise Unusable(f"--{name.replace('_', '-')} is not valid JSON: {error}.") from None


def _tell(call: Call, response: Any, as_json: bool, output: Path | None) -> None:
    if isinstance(response, Download):
        written(response, output)
    elif isinstance(response, Pages):
        tell_all(response, as_json, call.columns, f"No {call.command.split()[0].rstrip('s')}s.")
    elif response is None:
        if not as_json:
            typer.echo(call.says or "Done.")
    else:
        tell(response, as_json, call.says)


def written(download: Download, output: Path | None) -> None:
    """A file at its place, whole or not at all; without a place on stdout."""
    if output is None:
        with download:
            for piece in download:
                sys.stdout.buffer.write(piece)
        sys.stdout.flush()
        return
    try:
        download.save(output)
    except OSError as error:
        raise Unusable(f"{output} cannot be written: {error.strerror}.") from None


def add(app: typer.Typer, groups: dict[str, str], calls: Sequence[Call]) -> dict[str, typer.Typer]:
    """Mount calls: `noun verb` in the noun's group, which is made with the help that `groups` has; the groups."""
    nouns = {
        noun: typer.Typer(help=says, no_args_is_help=noun != "users", rich_markup_mode=None)
        for noun, says in groups.items()
    }
    for call in calls:
        noun, _, verb = call.command.rpartition(" ")
        (nouns[noun] if noun else app).command(verb)(built(call))
    for noun, group in nouns.items():
        app.add_typer(group, name=noun)
    return nouns


def commands(app: typer.Typer) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Every command by its words, with the operations of the API that it does."""
    waiting: list[tuple[str, Any]] = [("hone", typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop(0)
        yield words, command, getattr(command.callback, "operations", ())
        waiting += [(f"{words} {name}", each) for name, each in getattr(command, "commands", {}).items()]
