"""Pages about the versions of the guidelines and of what is asked."""

from fastapi import Request, Response

from app.projects import instructions
from app.projects.dependencies import Annotator
from app.web.addresses import Before
from app.web.dependencies import Db, RowId
from app.web.render import render
from app.web.routing import Router

router = Router()


@router.get("/projects/{project_id}/instructions")
def show_versions(request: Request, session: Db, access: Annotator, before: Before = None) -> Response:
    """All versions, the newest first."""
    found = instructions.listing(session, access.project, before)
    return render(request, "projects/versions.html", section="guidelines", versions=found, project=access.project)


@router.get("/projects/{project_id}/instructions/{number}")
def show_version(request: Request, session: Db, access: Annotator, number: RowId) -> Response:
    """One version, and what it changed of the one before it."""
    version = instructions.get(session, access.project, number)
    earlier = instructions.get(session, access.project, number - 1) if number > 1 else None
    return render(
        request,
        "projects/version.html",
        section="guidelines",
        project=access.project,
        version=version,
        asked=[*instructions.lines(version.asked).values()],
        changes=instructions.changes(earlier, version) if earlier else None,
    )
