"""Pages of items: browse, sample more, make attention checks, withdraw, ask again."""

from typing import Annotated

from fastapi import Query, Request, Response
from starlette.datastructures import FormData

from app.items import queries, service
from app.items.bulk import BULK_ITEMS, BULK_PROMPTS
from app.items.forms import ChecksForm, ItemFilter, SampleForm
from app.items.table import ITEMS
from app.projects import bulk
from app.projects.dependencies import Manager
from app.web import tables
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.filters import plural
from app.web.forms import parse
from app.web.markdown import to_html
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()


@router.get("/projects/{project_id}/items")
def show_items(request: Request, session: Db, access: Manager, chosen: Annotated[ItemFilter, Query()]) -> Response:
    """All items."""
    wanted = queries.found(access.project.id, chosen)
    found, total = tables.read(session, ITEMS, wanted, chosen)
    counts, counted_at = service.counts(session, access.project)
    return tables.show(
        request,
        "items/list.html",
        ITEMS,
        chosen,
        found,
        total,
        section="items",
        counts=counts,
        counted_at=counted_at,
        labels=queries.standing_labels(session, [item.id for item in found.items]),
        sampling=queries.sampling_is_active(session, access.project.id),
        project=access.project,
    )


@router.get("/projects/{project_id}/items/bulk")
def ask_about_items(request: Request, session: Db, access: Manager) -> Response:
    """Ask whether something is to be done to many items."""
    return bulk.confirm(request, session, access, BULK_ITEMS)


@router.post("/projects/{project_id}/items/bulk")
def change_items(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Do it."""
    return bulk.act(request, session, access, BULK_ITEMS, form)


@router.get("/projects/{project_id}/prompts/bulk")
def ask_about_prompts(request: Request, session: Db, access: Manager) -> Response:
    """Ask whether something is to be done to many prompts."""
    return bulk.confirm(request, session, access, BULK_PROMPTS)


@router.post("/projects/{project_id}/prompts/bulk")
def change_prompts(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Do it."""
    return bulk.act(request, session, access, BULK_PROMPTS, form)


@router.post("/projects/{project_id}/items/sample")
def sample(session: Db, access: Manager, form: Submitted) -> Response:
    """Have more items sampled."""
    count = parse(SampleForm, form).count
    run = service.plan_sampling(session, access.project, access.user, automatic=False, count=count)
    if run is None:
        return redirect(
            f"/projects/{access.project.id}/items", "Nothing to sample: the queue is full, or a run is in progress."
        )
    return redirect(f"/projects/{access.project.id}/runs/{run.id}", "The sampling run is queued.")


@router.post("/projects/{project_id}/items/checks")
def add_checks(session: Db, access: Manager, form: Submitted) -> Response:
    """Make attention checks."""
    made = service.add_checks(session, access.project, access.user, parse(ChecksForm, form).count)
    return redirect(f"/projects/{access.project.id}/items?purpose=check", f"{made} attention checks made.")


@router.post("/projects/{project_id}/items/overlap")
def adopt_overlap(session: Db, access: Manager) -> Response:
    """Ask for the project's number of labels on the items that wait, too."""
    changed = service.adopt_overlap(session, access.project, access.user)
    wanted = plural(access.project.overlap, "label")
    return redirect(f"/projects/{access.project.id}/items", f"{plural(changed, 'pair')} changed to {wanted} each.")


@router.post("/projects/{project_id}/items/withdraw")
def withdraw(session: Db, access: Manager, form: Submitted) -> Response:
    """Take the marked items out of the queue."""
    count = service.withdraw_items(session, access.project, access.user, marked(form, "item"))
    return redirect(f"/projects/{access.project.id}/items", f"{count} {'pair' if count == 1 else 'pairs'} withdrawn.")


@router.post("/projects/{project_id}/items/again")
def ask_again(session: Db, access: Manager, form: Submitted) -> Response:
    """Ask for one more label on the marked items."""
    count = service.ask_again(session, access.project, access.user, marked(form, "item"))
    text = f"One more answer is asked for on {count} {'pair' if count == 1 else 'pairs'}."
    return redirect(f"/projects/{access.project.id}/items", text)


@router.get("/projects/{project_id}/items/{item_id}")
def show_item(request: Request, session: Db, access: Manager, item_id: RowId) -> Response:
    """One item with both responses, how they were sampled, and what people said."""
    item = service.get(session, access.project, item_id)
    return render(
        request,
        "items/show.html",
        asked=access.project.answer,
        section="items",
        item=item,
        labels=queries.standing_labels(session, [item.id]).get(item.id, []),
        skips=queries.skips(session, item.id),
        to_html=to_html,
    )


@router.post("/projects/{project_id}/prompts/withdraw")
def withdraw_prompts(session: Db, access: Manager, form: Submitted) -> Response:
    """Take the marked prompts and their items out of the loop. It is here because items know prompts."""
    count = service.withdraw_prompts(session, access.project, access.user, marked(form, "prompt"))
    return redirect(
        f"/projects/{access.project.id}/prompts", f"{count} {'prompt' if count == 1 else 'prompts'} withdrawn."
    )


def marked(form: FormData, name: str) -> list[int]:
    """The ids of the ticked rows."""
    values = [value for value in form.getlist(name) if isinstance(value, str)]
    if not values or not all(value.isascii() and value.isdigit() and len(value) < 19 for value in values):
        raise Invalid("Mark at least one row first.", name)
    return [int(value) for value in values]
