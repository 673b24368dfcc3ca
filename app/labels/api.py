"""Labelling, labels and their quality through the JSON API."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import JSONResponse, Response, StreamingResponse

from app.items import leases
from app.items.queue import Task
from app.labels import quality, queries, service
from app.labels.answers import read_answer
from app.labels.data_routes import export_file
from app.labels.export import Export, Format, Layout
from app.labels.forms import AnswerForm, AssignmentForm, LabelFilter
from app.models import Label
from app.projects.dependencies import Annotator, Manager
from app.web.addresses import Before
from app.web.dependencies import Db
from app.web.errors import NotAllowed
from app.web.routing import Router
from app.web.slots import SlottedDownload

router = Router(tags=["labels"])


@router.post("/projects/{project_id}/label/next")
def claim(session: Db, access: Annotator) -> dict[str, Any]:
    """The item to compare now, the same until it is answered; `task` is null when there is none. `responses` are
    in the order in which they are to be displayed; what is asked about them is in the project's `answer`."""
    if access.member is not None and access.member.paused_at is not None:
        raise NotAllowed(access.member.pause_reason or "Your work in this project is paused.")
    task = service.next_task(session, access.user, access.project, access.member)
    return {"task": _task(task) if task else None}


@router.post("/projects/{project_id}/label")
def answer(session: Db, access: Annotator, body: AnswerForm) -> Response:
    """Save an answer; sent again, it is the same label. `next` is the following item."""
    given = read_answer(access.project.answer, body.kind, body.given, body.reasons, body.comment, body.seconds)
    done = service.submit_and_claim(session, access.user, access.project, access.member, body.assignment_id, given)
    paused = access.member is not None and access.member.paused_at is not None
    following = _task(done.task) if done.task else None
    return JSONResponse(
        {"label": done.label_id, "warning": done.warning, "paused": paused, "next": following}, done.status
    )


@router.post("/projects/{project_id}/label/skip")
def skip(session: Db, access: Annotator, body: AssignmentForm) -> dict[str, bool]:
    """Leave an item to somebody else; false where it was not open any more."""
    return {"skipped": leases.skip(session, access.user, access.project, body.assignment_id)}


@router.post("/projects/{project_id}/label/renew")
def renew(session: Db, access: Annotator, body: AssignmentForm) -> dict[str, bool]:
    """Keep a lease; false where it has ended."""
    return {"open": leases.renew(session, access.user, access.project, body.assignment_id)}


@router.get("/projects/{project_id}/labels/mine")
def list_mine(session: Db, access: Annotator, before: Before = None) -> dict[str, Any]:
    """My own labels, newest first."""
    found = queries.own_labels(session, access.project.id, access.user.id, before, limit=100)
    return {"labels": [_row(label) for label in found.items], "before": found.before}


@router.get("/projects/{project_id}/labels")
def list_labels(session: Db, access: Manager, chosen: Annotated[LabelFilter, Query()]) -> dict[str, Any]:
    """Everybody's labels, newest first; `before` of the answer asks for the next page."""
    found = queries.listing(session, access.project.id, **chosen.model_dump(), limit=100)
    return {"labels": [_row(label) for label in found.items], "before": found.before}


@router.get("/projects/{project_id}/labels/quality")
def show_quality(session: Db, access: Manager) -> dict[str, Any]:
    """Agreement in the project, and how each annotator works; in a very large project as of a while ago."""
    found, counted_at = quality.quality(session, access.project)
    return asdict(found) | {"counted_at": counted_at}


@router.get("/projects/{project_id}/labels/export", response_class=StreamingResponse)
def download(
    session: Db, access: Manager, format: Format = Format.JSONL, layout: Layout = Layout.LABELS, question: str = ""
) -> SlottedDownload:
    """All standing labels as a file. TRL's layouts take the answers to `question`, or to the main one; `sft` has the
    responses that people wrote."""
    return export_file(session, access, Export(access.project, format, layout, question))


def _task(task: Task) -> dict[str, Any]:
    return {
        "assignment_id": task.id,
        "kind": task.kind,
        "messages": task.messages,
        "responses": [{"text": shown.text, "finish_reason": shown.finish_reason} for shown in task.responses],
    }


def _row(label: Label) -> dict[str, Any]:
    return {
        "id": label.id,
        "item_id": label.item_id,
        "assignment_id": label.assignment_id,
        "annotator_id": label.annotator_id,
        "value": label.value.model_dump(),
        "order": label.order,
        "preferences": [
            {
                "question": stated.question,
                "first": stated.first,
                "second": stated.second,
                "outcome": stated.outcome,
                "strength": stated.strength,
            }
            for stated in label.preferences
        ],
        "reasons": label.reasons,
        "comment": label.comment,
        "seconds": label.seconds,
        "late": label.late,
        "surplus": label.surplus,
        "created_at": label.created_at,
    }
