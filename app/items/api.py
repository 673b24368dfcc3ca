"""Items through the JSON API."""

from typing import Annotated, Any

from fastapi import Query

from app.items import queries, service
from app.items.forms import ChecksForm, ItemFilter, ItemsBody, PromptsBody, SampleForm
from app.models import Item, Level, Response
from app.projects.dependencies import Manager
from app.web.dependencies import Db, RowId
from app.web.routing import Router

router = Router(tags=["items"])


@router.get("/projects/{project_id}/items")
def list_items(session: Db, access: Manager, chosen: Annotated[ItemFilter, Query()]) -> dict[str, Any]:
    """Items, newest first; `before` of the answer asks for the next page."""
    found = queries.listing(session, access.project.id, **chosen.model_dump())
    return {"items": [_row(item) for item in found.items], "before": found.before}


@router.get("/projects/{project_id}/items/{item_id}")
def show_item(session: Db, access: Manager, item_id: RowId) -> dict[str, Any]:
    """One item."""
    return _row(service.get(session, access.project, item_id))


@router.post("/projects/{project_id}/items/sample")
def sample(session: Db, access: Manager, body: SampleForm) -> dict[str, Any]:
    """Have more items sampled; `run` is null where there is nothing to do."""
    run = service.plan_sampling(session, access.project, access.user, automatic=False, count=body.count)
    return {"run": run.id if run else None}


@router.post("/projects/{project_id}/items/checks")
def add_checks(session: Db, access: Manager, body: ChecksForm) -> dict[str, int]:
    """Make attention checks."""
    return {"made": service.add_checks(session, access.project, access.user, body.count)}


@router.post("/projects/{project_id}/items/withdraw")
def withdraw(session: Db, access: Manager, body: ItemsBody) -> dict[str, int]:
    """Take items out of the queue."""
    return {"withdrawn": service.withdraw_items(session, access.project, body.items, access.user)}


@router.post("/projects/{project_id}/items/again")
def ask_again(session: Db, access: Manager, body: ItemsBody) -> dict[str, int]:
    """Ask for one more answer on items."""
    return {"asked": service.ask_again(session, access.project, body.items, access.user)}


@router.post("/projects/{project_id}/prompts/withdraw")
def withdraw_prompts(session: Db, access: Manager, body: PromptsBody) -> dict[str, int]:
    """Take prompts and their items out of the loop."""
    return {"withdrawn": service.withdraw_prompts(session, access.project, body.prompts, access.user)}


def _row(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "prompt_id": item.prompt_id,
        "messages": item.prompt.messages,
        "split": item.prompt.split,
        "kind": item.kind,
        "responses": [_answer(response) for response in item.responses],
        "purpose": item.purpose,
        "level": Level(item.level).name.lower(),
        "rank": item.rank,
        "control": item.control,
        "overlap_target": item.overlap_target,
        "slots_left": item.slots_left,
        "withdrawn_at": item.withdrawn_at,
        "run_id": item.run_id,
        "created_at": item.created_at,
    }


def _answer(response: Response) -> dict[str, Any]:
    return {
        "id": response.id,
        "text": response.text,
        "origin": response.origin,
        "model_id": response.model_id,
        "author_id": response.author_id,
        "imported_from": response.imported_from,
        "finish_reason": response.finish_reason,
        "tokens": response.token_count,
        "strategy": response.strategy,
        "temperature": response.temperature,
        "top_p": response.top_p,
        "top_k": response.top_k,
        "seed": response.seed,
    }
