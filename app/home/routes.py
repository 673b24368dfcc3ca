"""A project's first page: the loop as a picture for managers; annotators go straight to their work."""

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from app.home import overview_routes, service
from app.home import views as home_views
from app.home.automation import automations
from app.home.first_round import first_round
from app.models import Project
from app.projects import service as project_service
from app.projects.dependencies import Annotator, Manager
from app.projects.forms import FirstRoundForm
from app.quotas import service as quotas
from app.rewards import head_views
from app.runs import views
from app.runs.live import Look, live
from app.web.dependencies import Db, Submitted
from app.web.events import LiveStream, event
from app.web.forms import parse
from app.web.render import environment, redirect, render
from app.web.routing import Router

router = Router()
router.include_router(overview_routes.router)
INTERVAL = 2.0  # seconds between looks: counting costs more than looking at one run


@router.get("/projects/{project_id}")
def home(request: Request, session: Db, access: Annotator) -> Response:
    """The overview."""
    if not access.is_manager:
        return redirect(f"/projects/{access.project.id}/label")
    learned = head_views.learning(session, access.project)
    return render(request, "home/page.html", learning=learned, **_context(session, access.project))


@router.post("/projects/{project_id}/first-round")
def hide_first_round(session: Db, access: Manager, form: Submitted) -> Response:
    """Hide the checklist of the first round, or show it again."""
    hidden = parse(FirstRoundForm, form).hidden
    project_service.hide_first_round(session, access.project, access.user, hidden)
    words = "The first steps are hidden. The button above brings them back." if hidden else None
    return redirect(f"/projects/{access.project.id}", words)


@router.get("/projects/{project_id}/events")
def home_events(access: Manager) -> LiveStream:
    """Server-sent events: `loop` (HTML), the picture as it changes, and `steps`, those of the first round."""
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
        "project_id": project.id,
        "first": first_round(session, project, now),
        "stages": home_views.stages(now),
        "step": service.next_step(now),
        "automations": automations(session, project, now.new_labels),
        "quotas": quotas.notices(session, project.id),
        "views": views,
    }


def _look(project_id: int) -> Look[dict[str, str]]:
    def look(session: Session, seen: dict[str, str] | None) -> tuple[dict[str, str], list[str]]:
        context = _context(session, session.get_one(Project, project_id))
        parts = {"loop": "home/_loop.html", "steps": "home/_first_steps.html"}
        html = {name: environment().get_template(part).render(**context) for name, part in parts.items()}
        return html, [event(text, name=name) for name, text in html.items() if text != (seen or {}).get(name)]

    return look
