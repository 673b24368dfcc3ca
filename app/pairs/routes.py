"""Pages of pairs: browse, sample more, make attention checks, withdraw, ask again."""

from typing import Annotated

from fastapi import Query, Request, Response
from starlette.datastructures import FormData

from app.pairs import queries, service
from app.pairs.forms import ChecksForm, PairFilter, SampleForm
from app.projects.dependencies import Manager
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.forms import parse
from app.web.markdown import to_html
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()


@router.get("/projects/{project_id}/pairs")
def show_pairs(request: Request, session: Db, access: Manager, chosen: Annotated[PairFilter, Query()]) -> Response:
    """All pairs, newest first."""
    found = queries.listing(session, access.project.id, **chosen.model_dump())
    return render(
        request,
        "pairs/list.html",
        section="pairs",
        pairs=found,
        chosen=chosen,
        counts=queries.counts(session, access.project.id),
        labels=queries.standing_labels(session, [pair.id for pair in found.items]),
        sampling=queries.sampling_is_active(session, access.project.id),
        project=access.project,
    )


@router.post("/projects/{project_id}/pairs/sample")
def sample(session: Db, access: Manager, form: Submitted) -> Response:
    """Have more pairs sampled."""
    count = parse(SampleForm, form).count
    run = service.plan_sampling(session, access.project, access.user, automatic=False, count=count)
    if run is None:
        return redirect(
            f"/projects/{access.project.id}/pairs", "Nothing to sample: the queue is full, or a run is under way."
        )
    return redirect(f"/projects/{access.project.id}/runs/{run.id}", "The sampling run is queued.")


@router.post("/projects/{project_id}/pairs/checks")
def add_checks(session: Db, access: Manager, form: Submitted) -> Response:
    """Make attention checks."""
    made = service.add_checks(session, access.project, access.user, parse(ChecksForm, form).count)
    return redirect(f"/projects/{access.project.id}/pairs?purpose=check", f"{made} attention checks made.")


@router.post("/projects/{project_id}/pairs/withdraw")
def withdraw(session: Db, access: Manager, form: Submitted) -> Response:
    """Take the marked pairs out of the queue."""
    count = service.withdraw_pairs(session, access.project, marked(form, "pair"), access.user)
    return redirect(f"/projects/{access.project.id}/pairs", f"{count} {'pair' if count == 1 else 'pairs'} withdrawn.")


@router.post("/projects/{project_id}/pairs/again")
def ask_again(session: Db, access: Manager, form: Submitted) -> Response:
    """Ask for one more answer on the marked pairs."""
    count = service.ask_again(session, access.project, marked(form, "pair"), access.user)
    text = f"One more answer is asked for on {count} {'pair' if count == 1 else 'pairs'}."
    return redirect(f"/projects/{access.project.id}/pairs", text)


@router.get("/projects/{project_id}/pairs/{pair_id}")
def show_pair(request: Request, session: Db, access: Manager, pair_id: RowId) -> Response:
    """One pair with both answers, how they were drawn, and what people said."""
    pair = service.get(session, access.project, pair_id)
    return render(
        request,
        "pairs/show.html",
        section="pairs",
        pair=pair,
        labels=queries.standing_labels(session, [pair.id]).get(pair.id, []),
        to_html=to_html,
    )


@router.post("/projects/{project_id}/prompts/withdraw")
def withdraw_prompts(session: Db, access: Manager, form: Submitted) -> Response:
    """Take the marked prompts and their pairs out of the loop. It is here because pairs know prompts."""
    count = service.withdraw_prompts(session, access.project, marked(form, "prompt"), access.user)
    return redirect(
        f"/projects/{access.project.id}/prompts", f"{count} {'prompt' if count == 1 else 'prompts'} withdrawn."
    )


def marked(form: FormData, name: str) -> list[int]:
    """The ids of the ticked rows."""
    values = [value for value in form.getlist(name) if isinstance(value, str)]
    if not values or not all(value.isascii() and value.isdigit() and len(value) < 19 for value in values):
        raise Invalid("Mark at least one row first.", name)
    return [int(value) for value in values]
