"""Projects, members and invitations in the JSON API."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field

from app.accounts import trail
from app.accounts.api import EventView
from app.accounts.dependencies import IN_PERSON, SignedIn
from app.accounts.trail import EventFilter
from app.input import Input
from app.models import Invitation, Member, Project, Role
from app.models.project_settings import AutomationSettings, LabelSettings, SamplingSettings
from app.models.sampling_plan import SamplingPlan
from app.projects import bulk, forms, instructions_api, people, queries, quotas_api, service
from app.projects.bulk import BulkDone
from app.projects.bulk_people import BULK_PEOPLE, MembersBulk
from app.projects.dependencies import Access, Annotator, ArchivedManager, Manager
from app.projects.table import PEOPLE
from app.web import tables
from app.web.dependencies import Db, RowId
from app.web.names import Name
from app.web.pages import Paging, page
from app.web.render import absolute
from app.web.routing import Router, tells_a_secret
from app.web.views import Listing, View

router = Router(tags=["projects"])
router.include_router(instructions_api.router)
router.include_router(quotas_api.router)


class ListedProject(View):
    """A project in a list. `role` is null where an administrator is no member."""

    id: int
    name: str
    role: Role | None
    labels: int
    members: int


class ProjectView(View):
    """A project and its settings."""

    id: int
    name: str
    role: Role
    guidelines: str
    instructions: int | None = Field(description="The present version of the guidelines and of what is asked")
    base_model_id: int
    policy_id: int | None
    answer: LabelSettings
    sampling: SamplingSettings
    plan: SamplingPlan | None = Field(description="Null for annotators, who are not to know what they compare")
    automation: AutomationSettings
    queue: forms.QueueSettings
    first_round_hidden: bool = Field(description="Whether managers are not shown the checklist of the first round")
    archived_at: datetime | None
    created_at: datetime


class ProjectChange(Input):
    """What to change; whatever is left out stays. A section is replaced whole."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    guidelines: Annotated[str, Field(max_length=forms.LONGEST_GUIDELINES)] | None = None
    answer: LabelSettings | None = None
    sampling: SamplingSettings | None = None
    plan: SamplingPlan | None = None
    automation: AutomationSettings | None = None
    queue: forms.QueueSettings | None = None
    first_round_hidden: bool | None = None


class MemberView(View):
    """A person in a project."""

    user_id: int
    name: str
    email: str
    role: Role
    paused_at: datetime | None
    pause_reason: str | None


class MemberChange(Input):
    """What to change about a member."""

    model_config = ConfigDict(extra="forbid")
    role: Role | None = None
    paused: bool | None = None
    reason: str = Field("", max_length=200)


class InvitationView(View):
    """An invitation that can still be used."""

    id: int
    role: Role
    note: str | None
    created_at: datetime
    expires_at: datetime


class CreatedInvitation(InvitationView):
    """A new invitation. The address of its link is told this once."""

    url: str


class ProjectFilter(Paging):
    """Which projects to list."""

    archived: bool = Field(False, description="Those that were set aside, instead of the others")


@router.get("/projects")
def list_projects(session: Db, user: SignedIn, chosen: Annotated[ProjectFilter, Query()]) -> Listing[ListedProject]:
    """The projects this person may enter, newest first."""
    found = queries.listed(session, user, **chosen.model_dump())
    return Listing[ListedProject](
        items=[
            ListedProject(
                id=one.project.id, name=one.project.name, role=one.role, labels=one.labels, members=one.members
            )
            for one in found.items
        ],
        before=found.before,
    )


@router.get("/projects/{project_id}")
def show_project(access: Annotator) -> ProjectView:
    """A project and its settings."""
    return _detail(access)


@router.patch("/projects/{project_id}")
def change_project(session: Db, access: Manager, body: ProjectChange) -> ProjectView:
    """Change a project. For its managers."""
    if body.name is not None:
        service.rename(session, access.project, access.user, body.name)
    if body.guidelines is not None:
        service.change_guidelines(session, access.project, access.user, body.guidelines)
    for section in service.SECTIONS:
        if (settings := getattr(body, section)) is not None:
            service.change_settings(session, access.project, access.user, section, settings)
    if body.first_round_hidden is not None:
        service.hide_first_round(session, access.project, access.user, body.first_round_hidden)
    return _detail(access)


@router.post("/projects/{project_id}/archive")
def archive_project(session: Db, access: Manager) -> ProjectView:
    """Set a project aside: it can be read, not changed. For its managers."""
    service.set_archived(session, access.project, access.user, True)
    return _detail(access)


@router.post("/projects/{project_id}/unarchive")
def restore_project(session: Db, access: ArchivedManager) -> ProjectView:
    """Take an archived project up again. For its managers."""
    service.set_archived(session, access.project, access.user, False)
    return _detail(access)


@router.get("/projects/{project_id}/members")
def list_members(session: Db, access: Manager, chosen: Annotated[forms.MemberFilter, Query()]) -> Listing[MemberView]:
    """Everybody in the project, by name, or in another order. For its managers."""
    wanted = queries.found(access.project.id, chosen)
    found = tables.page(session, PEOPLE, wanted, chosen.sort, chosen.before, chosen.limit)
    return Listing[MemberView](items=[_member(member) for member in found.items], before=found.before)


@router.post("/projects/{project_id}/members/bulk")
def change_members(session: Db, access: Manager, body: MembersBulk) -> BulkDone:
    """Do one thing to many members: pause or resume them, give them a role, or remove them. Up to 200 a call."""
    return bulk.call(session, access, BULK_PEOPLE, body.action, body)


@router.patch("/projects/{project_id}/members/{user_id}")
def change_member(session: Db, access: Manager, user_id: RowId, body: MemberChange) -> MemberView:
    """Change a member's role, or pause and resume them. For managers."""
    member = people.member_of(session, access.project, user_id)
    if body.role is not None:
        people.change_role(session, access.project, access.user, user_id, body.role)
    if body.paused is True:
        people.pause(session, access.project, access.user, user_id, body.reason)
    elif body.paused is False:
        people.resume(session, access.project, access.user, user_id)
    return _member(member)


@router.delete("/projects/{project_id}/members/{user_id}", status_code=204)
def remove_member(session: Db, access: Manager, user_id: RowId) -> None:
    """Remove a person from the project; their labels stay. For managers."""
    people.remove(session, access.project, access.user, user_id)


@router.get("/projects/{project_id}/audit")
def list_events(session: Db, access: Manager, chosen: Annotated[EventFilter, Query()]) -> Listing[EventView]:
    """Who did what in the project, newest first."""
    return Listing[EventView].of(trail.find(session, access.project.id, chosen))


@router.get("/projects/{project_id}/invitations")
def list_invitations(session: Db, access: Manager, chosen: Annotated[Paging, Query()]) -> Listing[InvitationView]:
    """Invitations that can still be used, newest first. For managers."""
    found = page(session, queries.inviting(access.project.id), Invitation.id, chosen.before, chosen.limit)
    return Listing[InvitationView].of(found)


@router.post("/projects/{project_id}/invitations", status_code=201, dependencies=[IN_PERSON])
@tells_a_secret
def invite_person(request: Request, session: Db, access: Manager, body: forms.InvitationForm) -> CreatedInvitation:
    """Make an invitation, whose link lets one person join. For managers."""
    invitation, token = people.invite(session, access.project, access.user, body.role, body.note)
    session.flush()
    session.refresh(invitation)
    seen = InvitationView.model_validate(invitation).model_dump()
    return CreatedInvitation(**seen, url=absolute(request, f"/invitations/{token}"))


@router.delete("/projects/{project_id}/invitations/{invitation_id}", status_code=204)
def withdraw_invitation(session: Db, access: Manager, invitation_id: RowId) -> None:
    """Make an invitation useless. For managers."""
    people.withdraw(session, access.project, access.user, invitation_id)


def _detail(access: Access) -> ProjectView:
    project: Project = access.project
    sections: dict[str, BaseModel | None] = {name: service.settings_of(project, name) for name in service.SECTIONS}
    if not access.is_manager:
        sections["plan"] = None
    plain = (
        "id",
        "name",
        "guidelines",
        "base_model_id",
        "policy_id",
        "archived_at",
        "created_at",
        "first_round_hidden",
    )
    return ProjectView.model_validate(
        {name: getattr(project, name) for name in plain}
        | sections
        | {"role": access.role, "instructions": project.version}
    )


def _member(member: Member) -> MemberView:
    return MemberView(
        user_id=member.user_id,
        name=member.user.name,
        email=member.user.email,
        role=member.role,
        paused_at=member.paused_at,
        pause_reason=member.pause_reason,
    )
