"""Creating a project. It takes the registry's base models and the prompts' starter set, so it stands above both."""

from typing import Any

from fastapi import Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.accounts.dependencies import SignedIn
from app.input import Input
from app.models import ModelState, Project, User
from app.models.project_settings import AutomationSettings, LabelSettings, SamplingSettings
from app.projects import forms, people, service
from app.projects.dependencies import Access, ArchivedManager
from app.prompts import service as prompts
from app.registry import service as registry
from app.runs import preparation
from app.settings import get_settings
from app.web.dependencies import Db, Submitted
from app.web.errors import Invalid
from app.web.forms import parse, typed
from app.web.names import Name
from app.web.render import absolute, redirect, render
from app.web.routing import Router
from app.web.views import View

router = Router()
api = Router(tags=["projects"])


class NewProject(forms.NewProjectForm):
    """A new project; every setting has a sane default."""

    model_config = ConfigDict(extra="forbid")
    answer: LabelSettings = Field(default_factory=LabelSettings)
    sampling: SamplingSettings = SamplingSettings()
    automation: AutomationSettings = AutomationSettings()
    queue: forms.QueueSettings = forms.QueueSettings()


class CloneForm(Input):
    """A new project like another, with the parts of it that are wanted. Prompts from chat stay where they are."""

    model_config = ConfigDict(extra="forbid")
    name: Name
    settings: bool = Field(True, description="How it asks, samples, queues and starts things by itself")
    guidelines: bool = Field(True, description="What annotators are told")
    questions: bool = Field(True, description="Further questions, reasons, and reasons to skip")
    prompts: bool = Field(False, description="Whether its active prompts are copied too")
    members: bool = Field(False, description="Whether its people are in the new one too, with their roles")


class CreatedProject(View):
    """Where the new project is found."""

    id: int
    url: str


def create(session: Session, user: User, new: NewProject) -> Project:
    """Make the project with its base model, and its starter prompts where they are wanted."""
    service.require_creator(session, user)
    model = preparation.choose(session, user, new.base_model)
    project = service.create_project(
        session,
        user,
        new.name,
        model,
        guidelines=new.guidelines,
        answer=new.answer,
        sampling=new.sampling,
        automation=new.automation,
        queue=new.queue,
    )
    if new.starter_prompts:
        prompts.import_starter_set(session, project, user)
    return project


def clone(session: Session, source: Project, user: User, wanted: CloneForm) -> Project:
    """A new project with the base model of `source` and what else of it is wanted. Its sampling plan comes along with
    the settings where all its models may answer there too."""
    project = service.clone_project(
        session,
        source,
        user,
        wanted.name,
        settings=wanted.settings,
        guidelines=wanted.guidelines,
        questions=wanted.questions,
    )
    if wanted.members:
        people.copy_members(session, source, project, user)
    if wanted.prompts:
        prompts.copy_prompts(session, source, project, user)
    return project


@router.get("/projects/new")
def show_new_project(request: Request, session: Db, user: SignedIn) -> Response:
    """The form for a new project."""
    service.require_creator(session, user)
    values = {"name": "", "guidelines": service.DEFAULT_GUIDELINES, "starter_prompts": True, "base_model": ""}
    return _page(request, session, values=values)


def _page(request: Request, session: Session, status: int = 200, **over: Any) -> Response:
    default, offered = get_settings().base_model, registry.offered(session)
    choices = [("", f"{default} (default)"), *((model.source, model.name) for model in offered)]
    context = {"errors": {}, "default_model": default, "choices": choices}
    return render(request, "projects/new.html", status=status, **(context | over))


@router.post("/projects/new")
def create_from_page(request: Request, session: Db, user: SignedIn, form: Submitted) -> Response:
    """Make a project and go to it."""
    service.require_creator(session, user)
    try:
        values = parse(forms.NewProjectForm, form)
        project = create(session, user, NewProject(**values.model_dump()))
    except Invalid as refusal:
        return _page(request, session, 422, values=typed(forms.NewProjectForm, form), errors=refusal.errors)
    return redirect(f"/projects/{project.id}", f"{project.name} is ready. {_what_comes(project, values)}")


def _what_comes(project: Project, values: forms.NewProjectForm) -> str:
    if not values.starter_prompts:
        return "Import prompts to have the first pairs sampled."
    if project.base_model.state is not ModelState.READY:
        return f"Its first pairs are sampled as soon as {project.base_model.name} is prepared."
    return "Its first pairs are being sampled."


@api.post("/projects", status_code=201)
def create_project(request: Request, session: Db, user: SignedIn, body: NewProject) -> CreatedProject:
    """Make a project. For administrators and managers."""
    project = create(session, user, body)
    return CreatedProject(id=project.id, url=absolute(request, f"/projects/{project.id}"))


@router.get("/projects/{project_id}/clone")
def show_clone(request: Request, access: ArchivedManager) -> Response:
    """The form for a project like this one."""
    return _clone_page(request, access, values=CloneForm(name=_next_name(access.project.name), prompts=True), errors={})


def _next_name(name: str) -> str:
    """`Answers 2` after `Answers`, `Answers 3` after `Answers 2`; never longer than a name may be."""
    stem, _, number = name.rpartition(" ")
    following = f" {int(number) + 1}" if stem and number.isdecimal() and len(number) < 6 else " 2"
    return (stem if following != " 2" else name)[: 100 - len(following)].rstrip() + following


def _clone_page(request: Request, access: Access, status: int = 200, **over: Any) -> Response:
    return render(request, "projects/clone.html", status=status, project=access.project, section="settings", **over)


@router.post("/projects/{project_id}/clone")
def clone_from_page(request: Request, session: Db, access: ArchivedManager, form: Submitted) -> Response:
    """Make a project like this one and go to it."""
    try:
        project = clone(session, access.project, access.user, parse(CloneForm, form))
    except Invalid as refusal:
        return _clone_page(request, access, 422, values=typed(CloneForm, form), errors=refusal.errors)
    return redirect(f"/projects/{project.id}", f"{project.name} is ready.")


@api.post("/projects/{project_id}/clone", status_code=201)
def clone_project(request: Request, session: Db, access: ArchivedManager, body: CloneForm) -> CreatedProject:
    """Make a project like this one with the parts that are wanted, on the same base model. For its managers."""
    project = clone(session, access.project, access.user, body)
    return CreatedProject(id=project.id, url=absolute(request, f"/projects/{project.id}"))
