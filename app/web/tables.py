"""Lists as tables: their columns, what they are ordered and filtered by, and what can be done to many of their rows at
once. One description for the page, the JSON API and the command line; `templates/shared/table.html` draws it.

A list is read in pages by key, whatever its order: `before` is the key of the last row that was seen, as everywhere in
the API, and the next page begins after the place where that row stands now. It knows no stage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from pydantic import BaseModel
from pydantic_core import core_schema
from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session
from starlette.responses import HTMLResponse

from app.settings import get_settings
from app.web.errors import Conflict, Invalid
from app.web.filters import count as shown
from app.web.pages import Page, Paging
from app.web.render import render

T = TypeVar("T")
COLUMNS = "columns"
"""The query parameter with the columns that are shown."""
MOST_COUNTED = 10_000
_YEAR = 365 * 86400
_GONE = "The row that the last page ended with is gone. Begin with the first page again."


@dataclass(frozen=True)
class Column:
    """A column. `sort`, where the list can be ordered by it: an expression that is never null. `look`: how its cells
    are set, as text, number, nowrap, actions, or in a way of the page's own. One that is `always` there cannot be left
    out, one that is not `shown` has to be chosen."""

    name: str
    title: str
    sort: Any = None
    look: str = ""
    always: bool = False
    shown: bool = True


@dataclass(frozen=True)
class Filter:
    """A field of the filter above the list, named as in the form that reads it: a choice where it has `options`, else a
    text to search for, or a box to tick. `options` None of a choice: they depend on the project, and the page gives
    them."""

    name: str
    title: str
    options: Sequence[tuple[str, str]] | None = None
    look: Literal["choice", "search", "tick"] = "choice"


@dataclass(frozen=True)
class Action:
    """What can be done to many rows at once. `asks` is a question with the `{rows}` that are meant; `says` tells what
    follows from it."""

    name: str
    title: str
    asks: str
    says: str = ""
    danger: bool = False


class OneOf:
    """Annotates a text that is one of these, as pydantic checks and describes it."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def __get_pydantic_core_schema__(self, *_: Any) -> core_schema.CoreSchema:
        return core_schema.literal_schema(self.names)


@dataclass(frozen=True)
class Table:
    """A list. `mark` names the boxes of its rows; `order` is the one it has unless another is asked for."""

    name: str
    one: str
    many: str
    mark: str
    key: InstrumentedAttribute[int]
    columns: Sequence[Column]
    filters: Sequence[Filter]
    order: str
    actions: Sequence[Action] = ()

    @property
    def orders(self) -> list[str]:
        """The names of all orders: of a column, with a minus where the last comes first."""
        return [sign + column.name for column in self.columns if column.sort is not None for sign in ("", "-")]

    @property
    def ordered(self) -> OneOf:
        """Annotates the field of a form that says the order."""
        return OneOf(self.orders)

    def action(self, name: str) -> Action:
        """One of its actions; Invalid for any other."""
        found = next((action for action in self.actions if action.name == name), None)
        if found is None:
            known = ", ".join(action.name for action in self.actions)
            raise Invalid(f"Nothing of that name can be done to {self.many}. There is: {known}.", "action")
        return found


@dataclass(frozen=True)
class Found(Generic[T]):
    """The rows of a list: all those of the project, the conditions of what is asked for, and what is loaded with each
    row."""

    all: Select[T]
    conditions: Sequence[ColumnElement[bool]] = ()
    options: Sequence[Any] = ()


def page(
    session: Session, table: Table, found: Found[T], order: str, before: int | None = None, limit: int = 50
) -> Page[T]:
    """The next rows after the one with the key `before`. Raises Conflict where that is gone and the order needs it."""
    name, backwards = order.removeprefix("-"), order.startswith("-")
    first = next(column.sort for column in table.columns if column.name == name)
    keys = [table.key] if first is table.key else [first, table.key]
    statement = found.all.where(*found.conditions)
    if before is not None:
        at: Any = (before,)
        if len(keys) > 1:
            at = session.execute(found.all.with_only_columns(*keys).where(table.key == before)).one_or_none()
            if at is None:
                raise Conflict(_GONE)
        place = tuple_(*(literal(value, key.type) for value, key in zip(at, keys, strict=True)))
        statement = statement.where(tuple_(*keys) < place if backwards else tuple_(*keys) > place)
    ordered = statement.order_by(*(key.desc() if backwards else key.asc() for key in keys))
    rows = session.scalars(ordered.options(*found.options).limit(limit + 1)).all()
    return Page(rows[:limit], getattr(rows[limit - 1], table.key.key) if len(rows) > limit else None)


@dataclass(frozen=True)
class Total:
    """How many rows there are, counted up to MOST_COUNTED."""

    number: int

    @property
    def words(self) -> str:
        """As it is shown: 312, or 10,000+."""
        return f"{shown(MOST_COUNTED)}+" if self.number > MOST_COUNTED else shown(self.number)

    def of(self, table: Table) -> str:
        """`1 prompt`, `10,000+ prompts`."""
        return f"{self.words} {table.one if self.number == 1 else table.many}"


def total(session: Session, table: Table, found: Found[Any]) -> Total:
    """How many rows fit."""
    some = found.all.where(*found.conditions).with_only_columns(table.key).limit(MOST_COUNTED + 1).subquery()
    return Total(session.scalar(select(func.count()).select_from(some)) or 0)


def read(session: Session, table: Table, found: Found[T], chosen: Paging) -> tuple[Page[T], Total]:
    """The page that is asked for, and how many rows fit. A first page that is the last tells that by itself, which
    spares the second search of a filter that finds little in much."""
    order = str(getattr(chosen, "sort", table.order))
    rows = page(session, table, found, order, chosen.before, chosen.limit)
    whole = chosen.before is None and rows.before is None
    return rows, Total(len(rows.items)) if whole else total(session, table, found)


@dataclass(frozen=True)
class Look(Generic[T]):
    """A page of a list as its template draws it."""

    table: Table
    path: str
    chosen: Paging
    page: Page[T]
    total: Total
    columns: Sequence[Column]
    named: Sequence[str]
    options: Mapping[str, Sequence[tuple[Any, str]]] = field(default_factory=dict)

    @property
    def filter(self) -> dict[str, Any]:
        """The filter as a form has it, without what is left as it is."""
        return said(self.chosen, "sort")

    @property
    def order(self) -> str:
        """What the list is ordered by."""
        return str(getattr(self.chosen, "sort", self.table.order))

    def address(self, **changes: Any) -> str:
        """The address of this list, with some of what it says changed."""
        given = said(self.chosen) | ({COLUMNS: self.named} if self.named else {}) | changes
        kept = {name: value for name, value in given.items() if value not in (None, "")}
        return f"{self.path}?{urlencode(kept, doseq=True)}" if kept else self.path

    def turned(self, column: Column) -> str:
        """The address of the list ordered by a column; the other way round where it is already."""
        return self.address(sort=f"-{column.name}" if self.order == column.name else column.name)

    def sorted(self, column: Column) -> str | None:
        """As assistive technology calls it."""
        return {column.name: "ascending", f"-{column.name}": "descending"}.get(self.order)

    def options_of(self, one: Filter) -> Sequence[tuple[Any, str]]:
        """What can be chosen in a filter."""
        return self.options.get(one.name, one.options or ())

    def counted(self) -> str:
        """How many rows fit, in words."""
        return self.total.of(self.table)


def said(chosen: BaseModel, *without: str) -> dict[str, Any]:
    """What a form says beside its defaults, as an address has it, without the place in the list and the length."""
    given = chosen.model_dump(mode="json", exclude_defaults=True, exclude={"before", "limit", *without})
    return {name: "true" if value is True else value for name, value in given.items()}


def refuse_unknown(request: Request, table: Table, *known: str) -> None:
    """Refuse a filter that is misspelt: it would otherwise give everything."""
    if unknown := sorted(request.query_params.keys() - set(known)):
        raise Invalid(
            f"The list of {table.many} has no {', '.join(name[:40] for name in unknown[:5])}. "
            f"It takes: {', '.join(sorted(known))}."
        )


def show(
    request: Request,
    template: str,
    table: Table,
    chosen: Paging,
    found: Page[T],
    count: Total,
    options: Mapping[str, Sequence[tuple[Any, str]]] | None = None,
    path: str | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page of a list, as `look`. Which columns are shown the address says, and else this browser remembers. `path`
    is the list's address where the page answers at another one too."""
    refuse_unknown(request, table, *type(chosen).model_fields, COLUMNS)
    asked = [name for name in request.query_params.getlist(COLUMNS) if name]
    cookie = f"hone_{COLUMNS}_{table.name}"
    columns = _columns(table, asked, request.cookies.get(cookie, "").split("."))
    look = Look(table, path or request.url.path, chosen, found, count, columns, asked, options or {})
    response = render(request, template, look=look, **context)
    if asked:
        response.set_cookie(
            cookie,
            ".".join(asked),
            max_age=_YEAR,
            httponly=True,
            samesite="lax",
            secure=get_settings().secure_cookies,
        )
    return response


def _columns(table: Table, asked: Sequence[str], kept: Sequence[str]) -> list[Column]:
    names = {column.name for column in table.columns}
    if unknown := [name for name in asked if name not in names]:
        raise Invalid(
            f"There is no column {', '.join(name[:40] for name in unknown[:5])} in the list of {table.many}. "
            f"There is: {', '.join(column.name for column in table.columns)}.",
            COLUMNS,
        )
    wanted = set(asked or [name for name in kept if name in names])
    return [column for column in table.columns if column.always or (column.name in wanted if wanted else column.shown)]


def told(table: Table, chosen: BaseModel, options: Mapping[str, Sequence[tuple[Any, str]]] | None = None) -> list[str]:
    """A filter in words, one for each thing that it says."""
    words = []
    for name, value in said(chosen, "sort").items():
        one = next((each for each in table.filters if each.name == name), None)
        known = {str(key): text for key, text in (options or {}).get(name, one.options or () if one else ())}
        title = one.title if one else name
        words.append(title if value == "true" else f"{title}: {known.get(str(value), value)}")
    return words
