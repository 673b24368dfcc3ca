"""Items through the JSON API."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from app.items import queries, service
from app.items.bulk import BULK_ITEMS, BULK_PROMPTS
from app.items.forms import (
    ChecksForm,
    ItemFilter,
    ItemsBody,
    ItemsBulk,
    PromptsBody,
    PromptsBulk,
    SampleForm,
)
from app.items.table import ITEMS
from app.models import Item, Level, Messages, Purpose, Response, Split, Strategy
from app.models.response import Origin
from app.projects import bulk
from app.projects.bulk import BulkDone
from app.projects.dependencies import Manager
from app.web import tables
from app.web.dependencies import Db, RowId
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["items"])


class ResponseView(View):
    """A response, who wrote it, and how it was sampled where a model did."""

    id: int
    text: str
    origin: Origin
    model_id: int | None
    author_id: int | None
    imported_from: str | None
    finish_reason: str | None
    tokens: int | None
    strategy: Strategy | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    seed: int | None


class ItemView(View):
    """An item: a prompt with the responses to judge, in the order of their positions. Of two that wait, the one of the
    higher `level` comes first, then the one of the higher `rank`."""

    id: int
    prompt_id: int
    messages: Messages
    split: Split
    kind: str
    responses: list[ResponseView]
    purpose: Purpose
    level: str
    rank: float
    control: bool
    overlap_target: int
    slots_left: int
    withdrawn_at: datetime | None
    run_id: int | None
    created_at: datetime


class SamplingStarted(View):
    """The sampling run that was queued; null where there is nothing to do."""

    run: int | None


class ChecksMade(View):
    """How many attention checks were made."""

    made: int


class Withdrawn(View):
    """How many were taken out; those that were out already do not count."""

    withdrawn: int


class AskedAgain(View):
    """For how many items one more label is asked for."""

    asked: int


class OverlapAdopted(View):
    """For how many items that wait another number of labels is asked now."""

    changed: int


@router.get("/projects/{project_id}/items")
def list_items(session: Db, access: Manager, chosen: Annotated[ItemFilter, Query()]) -> Listing[ItemView]:
    """Items, newest first, or in another order."""
    wanted = queries.found(access.project.id, chosen)
    found = tables.page(session, ITEMS, wanted, chosen.sort, chosen.before, chosen.limit)
    return Listing[ItemView](items=[_view(item) for item in found.items], before=found.before)


@router.get("/projects/{project_id}/items/{item_id}")
def show_item(session: Db, access: Manager, item_id: RowId) -> ItemView:
    """One item."""
    return _view(service.get(session, access.project, item_id))


@router.post("/projects/{project_id}/items/sample")
def sample_items(session: Db, access: Manager, body: SampleForm) -> SamplingStarted:
    """Have more items sampled."""
    run = service.plan_sampling(session, access.project, access.user, automatic=False, count=body.count)
    return SamplingStarted(run=run.id if run else None)


@router.post("/projects/{project_id}/items/checks")
def add_checks(session: Db, access: Manager, body: ChecksForm) -> ChecksMade:
    """Make attention checks."""
    return ChecksMade(made=service.add_checks(session, access.project, access.user, body.count))


@router.post("/projects/{project_id}/items/withdraw")
def withdraw_items(session: Db, access: Manager, body: ItemsBody) -> Withdrawn:
    """Take items out of the queue."""
    return Withdrawn(withdrawn=service.withdraw_items(session, access.project, access.user, body.items))


@router.post("/projects/{project_id}/items/again")
def ask_items_again(session: Db, access: Manager, body: ItemsBody) -> AskedAgain:
    """Ask for one more label on items."""
    return AskedAgain(asked=service.ask_again(session, access.project, access.user, body.items))


@router.post("/projects/{project_id}/items/overlap")
def adopt_overlap(session: Db, access: Manager) -> OverlapAdopted:
    """Ask for the project's number of labels on the items that wait, too; on at most 100,000 of them in one call."""
    return OverlapAdopted(changed=service.adopt_overlap(session, access.project, access.user))


@router.post("/projects/{project_id}/prompts/withdraw")
def withdraw_prompts(session: Db, access: Manager, body: PromptsBody) -> Withdrawn:
    """Take prompts and their items out of the loop."""
    return Withdrawn(withdrawn=service.withdraw_prompts(session, access.project, access.user, body.prompts))


@router.post("/projects/{project_id}/items/bulk")
def change_items(session: Db, access: Manager, body: ItemsBulk) -> BulkDone:
    """Do one thing to many items: put those that wait first, ask for one more label on those that do not, or withdraw
    them. Up to 10,000 a call."""
    return bulk.call(session, access, BULK_ITEMS, body.action, body)


@router.post("/projects/{project_id}/prompts/bulk")
def change_prompts(session: Db, access: Manager, body: PromptsBulk) -> BulkDone:
    """Do one thing to many prompts: withdraw or restore them, add those from chat to the loop, or reject them. Up to
    2,000 a call."""
    return bulk.call(session, access, BULK_PROMPTS, body.action, body)


def _view(item: Item) -> ItemView:
    return ItemView(
        id=item.id,
        prompt_id=item.prompt_id,
        messages=item.prompt.messages,
        split=item.prompt.split,
        kind=item.kind,
        responses=[_response(response) for response in item.responses],
        purpose=item.purpose,
        level=Level(item.level).name.lower(),
        rank=item.rank,
        control=item.control,
        overlap_target=item.overlap_target,
        slots_left=item.slots_left,
        withdrawn_at=item.withdrawn_at,
        run_id=item.run_id,
        created_at=item.created_at,
    )


def _response(response: Response) -> ResponseView:
    return ResponseView(
        id=response.id,
        text=response.text,
        origin=response.origin,
        model_id=response.model_id,
        author_id=response.author_id,
        imported_from=response.imported_from,
        finish_reason=response.finish_reason,
        tokens=response.token_count,
        strategy=response.strategy,
        temperature=response.temperature,
        top_p=response.top_p,
        top_k=response.top_k,
        seed=response.seed,
    )
