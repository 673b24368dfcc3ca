"""A project's first page: the loop as a picture for managers; annotators go straight to their work."""

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from app.home import service
from app.home import views as home_views
from app.home.automation import automations
from app.models import Project
from app.projects.dependencies import Annotator, Manager
from app.rewards import head_views
from app.runs import views
from app.runs.live import Look, live
from app.web.dependencies import Db
from app.web.events import LiveStream, event
from app.web.render import environment, redirect, render
from app.web.routing import Router

router = Router()
INTERVAL = 2.0  # seconds between looks: counting costs more than looking at one run


@router.get("/projects/{project_id}")
def home(request: Request, session: Db, access: Annotator) -> Response:
    """The overview."""
    if not access.is_manager:
        return redirect(f"/projects/{access.project.id}/label")
    learned = head_views.learning(session, access.project)
    return render(request, "home/page.html", learning=learned, **_context(session, access.project))


@router.get("/projects/{project_id}/events")
def home_events(access: Manager) -> LiveStream:
    """Server-sent events: `loop` (HTML), the picture as it changes."""
    project_id = access.project.id
    return LiveStream(access.user.id, live.watch(("loop", project_id), _look(project_id), interval=INTERVAL))


@router.get("/projects/{project_id}/learning/events")
def learning_events(access: Manager) -> LiveStream:
    """Server-sent events: `learning` (HTML), what the live head learned, within a second of a label."""
    project_id = access.project.id
    return LiveStream(access.user.id, live.watch(("learning", project_id), _look_at_learning(project_id)))


def _look_at_learning(project_id: int) -> Look[str]:
    def look(session: Session, seen: str | None) -> tuple[str, list[str]]:
        learned = head_views.learning(session, session.get_one(Project, project_id))
        html = environment().get_template("home/_learning.html").render(learning=learned)
        return html, [event(html, name="learning")] if html != seen else []

    return look


def _context(session: Session, project: Project) -> dict[str, Any]:
    now = service.situation(session, project)
    return {
        "loop": now,
        "stages": home_views.stages(now),
        "step": service.next_step(now),
        "automations": automations(session, project, now.new_labels),
        "views": views,
    }


def _look(project_id: int) -> Look[str]:
    def look(session: Session, seen: str | None) -> tuple[str, list[str]]:
        context = _context(session, session.get_one(Project, project_id))
        html = environment().get_template("home/_loop.html").render(**context)
        return html, [event(html, name="loop")] if html != seen else []

    return look
