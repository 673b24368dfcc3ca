"""A project's settings, guidelines and audit trail."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.accounts.trail import EventFilter
from app.accounts.trail_pages import trail_file, trail_page
from app.annotation import KINDS
from app.models import Project
from app.projects import forms, instructions_routes, invitation_routes, people_routes, quotas_api, service
from app.projects.dependencies import Access, Annotator, ArchivedManager, Manager, ManagingAdmin
from app.quotas import service as quotas
from app.quotas.forms import QuotaForm
from app.registry import answering
from app.registry import service as registry
from app.settings import get_settings
from app.web import seen
from app.web.dependencies import Db, Submitted
from app.web.errors import Invalid, NotFound
from app.web.forms import parse, titles, typed
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()
router.include_router(invitation_routes.router)
router.include_router(people_routes.router)
router.include_router(instructions_routes.router)


def settings_page(request: Request, session: Session, access: Access, status: int = 200, **over: Any) -> Response:
    """Everything a manager can set, with what was `typed` and is `wrong` in a section that was refused."""
    project = access.project
    sections: dict[str, Any] = {name: service.settings_of(project, name) for name in (*service.SECTIONS, *KINDS)}
    context: dict[str, Any] = {
        "section": "settings",
        "project": project,
        "sections": sections,
        "kinds": KINDS,
        "fields": {name: shape.model_json_schema()["properties"] for name, shape in _drawn().items()},
        "filled": sections
        | {"answer": forms.AskedForm.of(project.answer), "queue": forms.QueueForm.of(sections["queue"])},
        "seen_of": {name: _seen(project, name) for name in sections},
        "quotas": quotas_api.shown(session, project.id),
        "models": answering.choices(session, project),
        "base_models": _base_models(session, project),
        "typed": {},  # by section: what was sent and refused
        "wrong": {},  # by section: field -> sentence
    }
    return render(request, "projects/settings.html", status=status, **(context | over))


def _seen(project: Project, section: str) -> dict[str, Any]:
    """What a section's form was drawn from; of the questions not what stands in other sections."""
    return service.settings_of(project, section).model_dump(exclude={"kinds", "former"})


def _base_models(session: Session, project: Project) -> list[tuple[str, str]]:
    """(source, name) of what a manager may choose as base model, what it is now first."""
    default = get_settings().base_model
    found = {project.base_model.source or "": project.base_model.name, default: f"{default} (default)"}
    for model in registry.offered(session):
        found.setdefault(model.source or "", model.name)
    return list(found.items())


def _drawn() -> dict[str, type[BaseModel]]:
    """The sections whose forms are drawn from what they take: titles, help and bounds."""
    plain = {name: service.SECTIONS[name] for name in ("sampling", "automation")}
    return plain | {"queue": forms.QueueForm} | {name: kind.settings for name, kind in KINDS.items()}


# Where what a form sends is not the section itself.
_SHAPES: dict[str, type[BaseModel]] = {
    "queue": forms.QueueForm,
    "plan": forms.PlanForm,
    "answer": forms.AskedForm,
}


@router.get("/projects/{project_id}/settings")
def show_settings(request: Request, session: Db, access: Manager) -> Response:
    """Everything a manager can set."""
    return settings_page(request, session, access)


@router.post("/projects/{project_id}/settings/name")
def rename(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Change the name."""
    try:
        seen.require(form, {"name": access.project.name})
        service.rename(session, access.project, access.user, parse(forms.NameForm, form).name)
    except Invalid as refusal:
        said = {"name": typed(forms.NameForm, form)}
        return settings_page(request, session, access, refusal.status, typed=said, wrong={"name": refusal.errors})
    return redirect(f"/projects/{access.project.id}/settings", "The name is saved.")


@router.post("/projects/{project_id}/settings/archive")
def archive(session: Db, access: Manager) -> Response:
    """Set the project aside."""
    service.set_archived(session, access.project, access.user, True)
    return redirect(f"/projects/{access.project.id}/settings", "The project is archived. It can be read, not changed.")


@router.post("/projects/{project_id}/settings/unarchive")
def unarchive(session: Db, access: ArchivedManager) -> Response:
    """Take the project up again."""
    service.set_archived(session, access.project, access.user, False)
    return redirect(f"/projects/{access.project.id}/settings", "The project is active again.")


@router.post("/projects/{project_id}/settings/quotas")
def change_quotas(request: Request, session: Db, access: ManagingAdmin, form: Submitted) -> Response:
    """Set what the project may use. For administrators."""
    try:
        seen.require(form, quotas_api.shown(session, access.project.id)["filled"].model_dump())
        quotas.change(session, access.project, access.user, parse(QuotaForm, form).change())
    except Invalid as refusal:
        said = {"quotas": typed(QuotaForm, form)}
        return settings_page(request, session, access, refusal.status, typed=said, wrong={"quotas": refusal.errors})
    return redirect(f"/projects/{access.project.id}/settings#quotas-saved", "Saved.", place="quotas")


@router.post("/projects/{project_id}/settings/{part}")
def change_settings(request: Request, session: Db, access: Manager, form: Submitted, part: str) -> Response:
    """Change one section of the settings: answer, sampling, plan, automation, queue, or a kind of items."""
    shape = _SHAPES.get(part) or service.SECTIONS.get(part) or (KINDS[part].settings if part in KINDS else None)
    if shape is None:
        raise NotFound()
    try:
        seen.require(form, _seen(access.project, part), titles(shape))
        values: BaseModel = parse(shape, form)
        if isinstance(values, forms.QueueForm | forms.PlanForm):
            values = values.settings()
        elif isinstance(values, forms.AskedForm):
            values = values.settings(access.project.answer)
        changed = service.change_settings(session, access.project, access.user, part, values)
    except Invalid as refusal:
        said: Any = {name: str(form[name]) for name in form} if part == "plan" else typed(shape, form)
        said = parse(forms.AskedForm, form) if part == "answer" else said
        return settings_page(request, session, access, refusal.status, typed={part: said}, wrong={part: refusal.errors})
    words = "Saved." if changed else "Nothing was changed."
    if "overlap" in changed:
        words = "Saved. Pairs that wait keep their number of labels; the page Pairs offers them the new one."
    return redirect(f"/projects/{access.project.id}/settings#{part}-saved", words, place=part)


@router.get("/projects/{project_id}/guidelines")
def show_guidelines(request: Request, access: Annotator) -> Response:
    """What annotators are told."""
    return render(request, "projects/guidelines.html", section="guidelines", project=access.project)


@router.get("/projects/{project_id}/guidelines/edit")
def edit_guidelines(request: Request, access: Manager) -> Response:
    """The editor with its preview."""
    return _editor(request, access, access.project.guidelines)


def _editor(request: Request, access: Access, text: str, status: int = 200, **over: Any) -> Response:
    context: dict[str, Any] = {"section": "settings", "project": access.project, "text": text, "errors": {}}
    return render(request, "projects/guidelines_edit.html", status=status, **(context | over))


@router.post("/projects/{project_id}/guidelines/preview")
def preview_guidelines(request: Request, access: Manager, form: Submitted) -> Response:
    """The text as annotators would see it, without saving."""
    text = str(form.get("guidelines", ""))
    if len(text) > forms.LONGEST_GUIDELINES:
        raise Invalid(f"Guidelines may be at most {forms.LONGEST_GUIDELINES} characters long.", "guidelines")
    return render(request, "projects/_guidelines.html", text=text)


@router.post("/projects/{project_id}/guidelines")
def change_guidelines(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Save the guidelines."""
    try:
        seen.require(form, {"guidelines": access.project.guidelines})
        text = parse(forms.GuidelinesForm, form).guidelines
    except Invalid as refusal:
        return _editor(request, access, str(form.get("guidelines", "")), refusal.status, errors=refusal.errors)
    service.change_guidelines(session, access.project, access.user, text)
    return redirect(f"/projects/{access.project.id}/guidelines", "The guidelines are saved.")


@router.get("/projects/{project_id}/audit")
def show_audit(request: Request, session: Db, access: Manager, chosen: Annotated[EventFilter, Query()]) -> Response:
    """Who did what in this project."""
    return trail_page(
        request, session, access.project.id, "projects/audit.html", chosen, section="audit", project=access.project
    )


@router.get("/projects/{project_id}/audit.csv")
def download_audit(request: Request, session: Db, access: Manager, chosen: Annotated[EventFilter, Query()]) -> Response:
    """The same as a file."""
    return trail_file(request, session, access.project.id, chosen)
