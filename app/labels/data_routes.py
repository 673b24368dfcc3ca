"""Pages about labels: mine, everybody's, how well people agree, and files to take away."""

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from app.accounts import audit
from app.labels import export, quality, queries
from app.labels.export import Format, Layout
from app.labels.forms import LabelFilter
from app.projects.dependencies import Access, Annotator, Manager
from app.projects.forms import AnswerSettings
from app.web.dependencies import Db, RowId
from app.web.errors import NotFound
from app.web.input import Before
from app.web.render import render
from app.web.routing import Router

router = Router()

_IN_MEMORY = 8 * 2**20
_CHUNK = 256 * 1024


@router.get("/projects/{project_id}/labels")
def show_labels(request: Request, session: Db, access: Annotator, chosen: Annotated[LabelFilter, Query()]) -> Response:
    """A manager sees everybody's labels, an annotator their own."""
    if not access.is_manager:
        return _mine(request, session, access, chosen.before)
    return render(
        request,
        "labels/list.html",
        section="labels",
        labels=queries.listing(session, access.project.id, **chosen.model_dump()),
        chosen=chosen,
        annotators=queries.annotators(session, access.project.id),
        questions=AnswerSettings.model_validate(access.project.answer).question_options(),
    )


@router.get("/projects/{project_id}/labels/mine")
def show_mine(request: Request, session: Db, access: Annotator, before: Before = None) -> Response:
    """My labels, each to be looked at and changed."""
    return _mine(request, session, access, before)


@router.get("/projects/{project_id}/labels/mine/{pair_id}")
def show_history(request: Request, session: Db, access: Annotator, pair_id: RowId) -> Response:
    """All revisions of my answer to one pair."""
    found = queries.revisions(session, pair_id, access.user.id)
    if not found or found[0].project_id != access.project.id:
        raise NotFound("You have not answered this pair.")
    return render(request, "labels/history.html", section="labels", revisions=found)


@router.get("/projects/{project_id}/labels/quality")
def show_quality(request: Request, session: Db, access: Manager) -> Response:
    """How well people agree, and how each of them works."""
    found, counted_at = quality.quality(session, access.project)
    return render(
        request,
        "labels/quality.html",
        section="labels",
        agreement=found.agreement,
        by_question=found.questions,
        annotators=found.annotators,
        counted_at=counted_at,
        overlap=access.project.overlap,
    )


@router.get("/projects/{project_id}/labels/export")
def download(
    session: Db, access: Manager, format: Format = Format.JSONL, layout: Layout = Layout.LABELS, question: str = ""
) -> StreamingResponse:
    """All standing labels as a file. TRL's layouts take the answers to `question`, or to the main one."""
    return export_file(session, access, format, layout, question)


def export_file(session: Db, access: Access, format_: Format, layout: Layout, question: str) -> StreamingResponse:
    """The response that carries an export; small ones never touch the disk."""
    file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  closed by the response
    rows = export.write(session, access.project, file, format_, layout, question)
    size = file.tell()
    file.seek(0)
    audit.record(
        session, access.user, "labels.exported", project_id=access.project.id, rows=rows, layout=layout,
        format=format_, question=question,
    )  # fmt: skip

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(_CHUNK):
                yield piece

    name = f"project-{access.project.id}-{layout}.{format_}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(size)}
    return StreamingResponse(pieces(), media_type=export.MEDIA_TYPES[format_], headers=headers)


def _mine(request: Request, session: Db, access: Access, before: int | None) -> Response:
    return render(
        request,
        "labels/mine.html",
        section="labels",
        labels=queries.own_labels(session, access.project.id, access.user.id, before),
    )
