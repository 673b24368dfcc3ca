"""What commands print: on stdout what was asked for, as a table, as lines, or as JSON in the API's own shapes;
sentences about it on stderr. Knows no command."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hone_client import Pages

Json = Annotated[bool, typer.Option("--json", help="JSON as the API has it; of a list one object a line.")]
_LONGEST = 60


def tell(response: BaseModel, as_json: bool, sentence: str | None = None) -> None:
    """One thing: its JSON, or the sentence with its fields, or a line for each field."""
    if as_json:
        typer.echo(response.model_dump_json())
    elif sentence is not None:
        typer.echo(sentence.format(**dict(response)))
    else:
        for name, value in response:
            typer.echo(f"{name}: {_whole(value)}")


def say(as_json: bool, sentence: str, **facts: Any) -> None:
    """What a command of this machine comes to, for which the API has no shape: facts by name, or a sentence."""
    typer.echo(json.dumps(facts, ensure_ascii=False, default=str) if as_json else sentence)


def tell_all(rows: Pages[Any] | Iterable[BaseModel], as_json: bool, columns: Sequence[str], nothing: str) -> None:
    """A list: an object a line, or a table of these fields; `nothing` is said where it is empty."""
    found = list(rows)
    if as_json:
        for row in found:
            typer.echo(row.model_dump_json())
    elif found:
        table = Table(box=None, header_style="bold")
        for column in columns:
            table.add_column(column.replace("_", " "))
        for row in found:
            table.add_row(*(escape(_short(getattr(row, column))) for column in columns))
        Console().print(table)
    else:
        typer.echo(nothing)
    if isinstance(rows, Pages) and rows.before is not None:
        typer.echo(f"Further back: --before {rows.before}", err=True)


def _whole(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, (list, dict)):
        plain = [each.model_dump(mode="json") if isinstance(each, BaseModel) else each for each in value]
        return json.dumps(plain if isinstance(value, list) else value, ensure_ascii=False, default=str)
    return "–" if value is None else str(value)


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[-1], BaseModel) and hasattr(value[-1], "content"):
        value = value[-1].content  # a conversation by its last turn
    line = " ".join(_whole(value).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
