"""Pairs through the JSON API."""

from typing import Annotated, Any

from fastapi import Query

from app.models import Pair, Response
from app.pairs import queries, service
from app.pairs.forms import ChecksForm, PairFilter, PairsBody, PromptsBody, SampleForm
from app.projects.dependencies import Manager
from app.web.dependencies import Db, RowId
from app.web.routing import Router

router = Router(tags=["pairs"])


@router.get("/projects/{project_id}/pairs")
def list_pairs(session: Db, access: Manager, chosen: Annotated[PairFilter, Query()]) -> dict[str, Any]:
    """Pairs, newest first; `before` of the answer asks for the next page."""
    found = queries.listing(session, access.project.id, **chosen.model_dump())
    return {"pairs": [_row(pair) for pair in found.items], "before": found.before}


@router.get("/projects/{project_id}/pairs/{pair_id}")
def show_pair(session: Db, access: Manager, pair_id: RowId) -> dict[str, Any]:
    """One pair."""
    return _row(service.get(session, access.project, pair_id))


@router.post("/projects/{project_id}/pairs/sample")
def sample(session: Db, access: Manager, body: SampleForm) -> dict[str, Any]:
    """Have more pairs sampled; `run` is null where there is nothing to do."""
    run = service.plan_sampling(session, access.project, access.user, automatic=False, count=body.count)
    return {"run": run.id if run else None}


@router.post("/projects/{project_id}/pairs/checks")
def add_checks(session: Db, access: Manager, body: ChecksForm) -> dict[str, int]:
    """Make attention checks."""
    return {"made": service.add_checks(session, access.project, access.user, body.count)}


@router.post("/projects/{project_id}/pairs/withdraw")
def withdraw(session: Db, access: Manager, body: PairsBody) -> dict[str, int]:
    """Take pairs out of the queue."""
    return {"withdrawn": service.withdraw_pairs(session, access.project, body.pairs, access.user)}


@router.post("/projects/{project_id}/pairs/again")
def ask_again(session: Db, access: Manager, body: PairsBody) -> dict[str, int]:
    """Ask for one more answer on pairs."""
    return {"asked": service.ask_again(session, access.project, body.pairs, access.user)}


@router.post("/projects/{project_id}/prompts/withdraw")
def withdraw_prompts(session: Db, access: Manager, body: PromptsBody) -> dict[str, int]:
    """Take prompts and their pairs out of the loop."""
    return {"withdrawn": service.withdraw_prompts(session, access.project, body.prompts, access.user)}


def _row(pair: Pair) -> dict[str, Any]:
    return {
        "id": pair.id,
        "prompt_id": pair.prompt_id,
        "messages": pair.prompt.messages,
        "split": pair.prompt.split,
        "a": _answer(pair.response_a),
        "b": _answer(pair.response_b),
        "purpose": pair.purpose,
        "priority": pair.priority,
        "control": pair.control,
        "overlap_target": pair.overlap_target,
        "slots_left": pair.slots_left,
        "withdrawn_at": pair.withdrawn_at,
        "run_id": pair.run_id,
        "created_at": pair.created_at,
    }


def _answer(response: Response) -> dict[str, Any]:
    return {
        "id": response.id,
        "text": response.text,
        "model_id": response.model_id,
        "finish_reason": response.finish_reason,
        "tokens": response.token_count,
        "strategy": response.strategy,
        "temperature": response.temperature,
        "top_p": response.top_p,
        "top_k": response.top_k,
        "seed": response.seed,
    }
