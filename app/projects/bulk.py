"""One thing done to many rows of a project's list: to those that are marked, or to all that a filter finds.

The selection of a filter is the filter, not the rows: it is looked up when it is acted on, from the newest row that the
person was told of downwards, a batch in each request. So a request takes seconds at most whatever the list holds, rows
that come meanwhile are left alone, and what was changed by somebody else meanwhile is left out and told. It knows no
stage.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import func
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, QueryParams
from starlette.responses import HTMLResponse, Response

from app import bulk as rows
from app.input import Id, Input
from app.models import Project, User
from app.projects.dependencies import Access
from app.web import tables
from app.web.errors import Invalid, Refused
from app.web.filters import count
from app.web.forms import OF_PAGES, invalid
from app.web.render import redirect, render
from app.web.tables import Found, Table
from app.web.views import View

F = TypeVar("F", bound=BaseModel)
MOST_MARKED = 10_000
_OWN = {"action", "all", "upto", "seen", *OF_PAGES}


@dataclass(frozen=True)
class Outcome:
    """How many rows were changed, and how many were not, by the reason."""

    done: int
    left_out: Counter[str] = field(default_factory=Counter)


Act = Callable[[Session, Project, User, Sequence[int]], Outcome]


@dataclass(frozen=True)
class Bulk(Generic[F]):
    """What can be done to the rows of a list. `filter` is the form that reads which; `found` looks them up; `acts` does
    it, by the names of the table's actions; `batch`: how many rows one request takes."""

    table: Table
    filter: type[F]
    found: Callable[[Project, F], Found[Any]]
    acts: Mapping[str, Act]
    batch: int = 10_000


class BulkBody(Input):
    """Which rows an API request is about."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Id] = Field(default_factory=list, max_length=MOST_MARKED, description="These rows")
    all: bool = Field(False, description="All rows that the filter finds, instead of `ids`")
    upto: Id | None = Field(None, description="Of all: only rows up to this number, as the last response had it")


class LeftOut(View):
    """Rows that were not changed, and why."""

    why: str
    count: int


class BulkDone(View):
    """What became of the rows. Where `upto` is not null more are left: the same request with this `upto` goes on."""

    done: int
    left_out: list[LeftOut]
    upto: int | None


@dataclass(frozen=True)
class Selection(Generic[F]):
    """Rows that are meant: the marked ones, or (`marked` None) all that the filter finds up to a key."""

    filter: F
    marked: Sequence[int] | None
    upto: int | None = None


def one_by_one(change: Callable[[Session, Project, User, int], object]) -> Act:
    """An act on rows one after the other: a row that is refused is left as it was, with the reason."""

    def act(session: Session, project: Project, actor: User, ids: Sequence[int]) -> Outcome:
        done, left_out = 0, Counter[str]()
        for id_ in ids:
            try:
                with session.begin_nested():
                    change(session, project, actor, id_)
                done += 1
            except Refused as refusal:
                left_out[refusal.message] += 1
        return Outcome(done, left_out)

    return act


def perform(session: Session, access: Access, bulk: Bulk[F], action: str, meant: Selection[F]) -> BulkDone:
    """Do it to one batch of the selection, the newest rows first."""
    act = bulk.acts[bulk.table.action(action).name]
    ids, upto = _batch(session, access.project, bulk, meant)
    outcome = act(session, access.project, access.user, ids) if ids else Outcome(0)
    left_out = outcome.left_out
    if meant.marked is not None and (gone := len(set(meant.marked)) - len(ids)):
        left_out = left_out + Counter({"not in this list any more": gone})
    reasons = [LeftOut(why=why, count=number) for why, number in left_out.most_common()]
    return BulkDone(done=outcome.done, left_out=reasons, upto=upto)


def call(session: Session, access: Access, bulk: Bulk[F], action: str, body: BulkBody) -> BulkDone:
    """The same for a call of the API, whose body has the fields of the filter too."""
    if bool(body.ids) == body.all:
        raise Invalid("Give the numbers of rows as ids, or true as all: one of the two.", "ids")
    given = {name: value for name, value in body if name in bulk.filter.model_fields and name in body.model_fields_set}
    if body.ids and given:
        raise Invalid("A filter goes with all, not with ids.", next(iter(given)))
    meant = Selection(bulk.filter.model_validate(given), body.ids if body.ids else None, body.upto)
    return perform(session, access, bulk, action, meant)


def _batch(session: Session, project: Project, bulk: Bulk[F], meant: Selection[F]) -> tuple[list[int], int | None]:
    """The keys of the next rows, and where what is left begins."""
    key, found = bulk.table.key, bulk.found(project, meant.filter)
    if meant.marked is not None:
        statement = found.all.where(rows.among(key, list(dict.fromkeys(meant.marked))))
        return list(session.scalars(statement.with_only_columns(key).order_by(key.desc()))), None
    statement = found.all.where(*found.conditions)
    if meant.upto is not None:
        statement = statement.where(key <= meant.upto)
    ids = list(session.scalars(statement.with_only_columns(key).order_by(key.desc()).limit(bulk.batch + 1)))
    return ids[: bulk.batch], ids[bulk.batch] if len(ids) > bulk.batch else None


def confirm(request: Request, session: Session, access: Access, bulk: Bulk[F], **more: Any) -> HTMLResponse:
    """The page that asks whether an action is really meant, with the number of rows."""
    params = request.query_params
    action, meant = bulk.table.action(params.get("action", "")), _selection(bulk, params)
    if meant.marked is None:
        found = bulk.found(access.project, meant.filter)
        total = tables.total(session, bulk.table, found)
        upto = session.scalar(found.all.where(*found.conditions).with_only_columns(func.max(bulk.table.key)))
    else:
        total, upto = tables.Total(len(_batch(session, access.project, bulk, meant)[0])), None
    return _asking(request, bulk, action, meant, total, upto, **more)


def _asking(
    request: Request,
    bulk: Bulk[F],
    action: tables.Action,
    meant: Selection[F],
    total: tables.Total,
    upto: int | None,
    **more: Any,
) -> HTMLResponse:
    return render(
        request,
        "shared/bulk.html",
        table=bulk.table,
        action=action,
        meant=meant,
        rows=total.of(bulk.table),
        total=total.number,
        batch=bulk.batch,
        words=tables.told(bulk.table, meant.filter),
        fields=tables.said(meant.filter),
        upto=upto,
        seen="" if total.number > tables.MOST_COUNTED else total.number,
        back=_list_of(request, meant),
        **({"done": None} | more),
    )


def act(request: Request, session: Session, access: Access, bulk: Bulk[F], form: FormData) -> Response:
    """Do what the page asked about; then back to the list, or on to the rest."""
    action, meant = bulk.table.action(str(form.get("action", ""))), _selection(bulk, form)
    done = perform(session, access, bulk, action.name, meant)
    seen = str(form.get("seen", ""))
    if meant.marked is None and done.upto is None and seen.isascii() and seen.isdigit():
        changed = int(seen[:9]) - done.done - sum(each.count for each in done.left_out)
        if changed > 0:
            done.left_out.append(LeftOut(why="changed meanwhile, so that the filter finds them no more", count=changed))
    text = said(bulk.table, action, done)
    if done.upto is None:
        return redirect(_list_of(request, meant), text, kind="ok" if done.done else "warn")
    found = bulk.found(access.project, meant.filter)
    left = Found(found.all, [*found.conditions, bulk.table.key <= done.upto])
    return _asking(request, bulk, action, meant, tables.total(session, bulk.table, left), done.upto, done=text)


def said(table: Table, action: tables.Action, done: BulkDone) -> str:
    """What became of it, in sentences."""
    number = f"{count(done.done)} {table.one if done.done == 1 else table.many}"
    text = f"{action.title}: {number}." if done.done else f"{action.title}: nothing was changed."
    if not done.left_out:
        return text
    shown = [f"{count(each.count)} {each.why}" if each.why[0].islower() else each.why for each in done.left_out[:4]]
    more = sum(each.count for each in done.left_out[4:])
    rest = f" And {count(more)} more." if more else ""
    return f"{text} Left out: {'; '.join(part.removesuffix('.') for part in shown)}.{rest}"


def _selection(bulk: Bulk[F], given: FormData | QueryParams) -> Selection[F]:
    """What is meant, as the list's form or the page that asked has it."""
    known = bulk.filter.model_fields.keys()
    unknown = given.keys() - known - _OWN - {bulk.table.mark}
    if unknown:
        raise Invalid(f"The list of {bulk.table.many} has no {', '.join(name[:40] for name in sorted(unknown)[:5])}.")
    try:
        chosen = bulk.filter.model_validate({name: given[name] for name in known if name in given})
    except ValidationError as error:
        raise invalid(error) from None
    if given.get("all") == "true":
        return Selection(chosen, None, _number(given["upto"]) if given.get("upto") else None)
    marked = [_number(value) for value in given.getlist(bulk.table.mark)]
    if not marked:
        raise Invalid(f"Mark at least one {bulk.table.one} first, or choose all of them.", bulk.table.mark)
    if len(marked) > MOST_MARKED:
        raise Invalid(f"At most {count(MOST_MARKED)} can be marked. Choose all that a filter finds instead.")
    return Selection(chosen, marked)


def _number(value: Any) -> int:
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19):
        raise Invalid("A row is named by its number.")
    return int(value)


def _list_of(request: Request, meant: Selection[F]) -> str:
    given = tables.said(meant.filter)
    return request.url.path.removesuffix("/bulk") + (f"?{urlencode(given)}" if given else "")
