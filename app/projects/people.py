"""Who works in a project: invitations and what managers do with members."""

import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.accounts.audit import record
from app.models import Invitation, Member, Project, Role, User
from app.projects import queries
from app.web.errors import Conflict, NotFound
from app.web.signing import digest

INVITATION_LIFETIME = timedelta(days=14)
MOST_OPEN_INVITATIONS = 200
_GONE = "This invitation was used before, was withdrawn, or is too old. Ask for a new one."


def invite(session: Session, project: Project, actor: User, role: Role, note: str = "") -> tuple[Invitation, str]:
    """A new invitation and the token of its link, which is told this once."""
    if len(queries.open_invitations(session, project.id)) >= MOST_OPEN_INVITATIONS:
        raise Conflict("There are very many open invitations. Withdraw some first.")
    token = secrets.token_urlsafe(32)
    invitation = Invitation(
        token_hash=digest(token),
        project_id=project.id,
        role=role,
        note=note or None,
        created_by_id=actor.id,
        expires_at=datetime.now(UTC) + INVITATION_LIFETIME,
    )
    session.add(invitation)
    record(session, actor, "invitation.created", project_id=project.id, subject=invitation, role=role.value, note=note)
    return invitation, token


def withdraw(session: Session, project: Project, actor: User, invitation_id: int) -> None:
    """Make an open invitation useless."""
    invitation = queries.open_invitation_by_id(session, project.id, invitation_id)
    if invitation is None:
        raise NotFound("There is no such open invitation.")
    invitation.revoked_at = datetime.now(UTC)
    record(session, actor, "invitation.withdrawn", project_id=project.id, subject=invitation)


def invitation_behind(session: Session, token: str) -> tuple[Invitation, Project]:
    """The open invitation of a link. Raises NotFound with a sentence otherwise."""
    found = queries.open_invitation(session, digest(token))
    if found is None:
        raise NotFound(_GONE)
    return found


def accept(session: Session, user: User, token: str) -> Project:
    """Join the invitation's project. Of two who use one link at once, one joins and the other is told.

    Somebody who is in the project with at least that role keeps the invitation unused.
    """
    invitation, project = invitation_behind(session, token)
    member = queries.member(session, project.id, user.id)
    if member is not None and member.removed_at is None and invitation.role in (member.role, Role.ANNOTATOR):
        return project
    if not queries.use_invitation(session, user.id, invitation.id):
        raise NotFound(_GONE)
    queries.join(session, project.id, user.id, invitation.role)
    record(session, user, "invitation.accepted", project_id=project.id, subject=invitation, role=invitation.role.value)
    return project


def member_of(session: Session, project: Project, user_id: int) -> Member:
    """A standing member of the project."""
    member = queries.member(session, project.id, user_id)
    if member is None or member.removed_at is not None:
        raise NotFound("This person is not in the project.")
    return member


def change_role(session: Session, project: Project, actor: User, user_id: int, role: Role) -> Member:
    """Make a member manager or annotator."""
    member = member_of(session, project, user_id)
    if member.role is not role:
        if member.role is Role.MANAGER:
            _keep_a_manager(session, project, user_id)
        member.role = role
        _record(session, actor, "member.role_changed", member, role=role.value)
    return member


def pause(session: Session, project: Project, actor: User | None, user_id: int, reason: str = "") -> Member:
    """Hand this person no more pairs until resumed. `actor` None: the platform itself, after missed checks."""
    member = member_of(session, project, user_id)
    if member.paused_at is None:
        member.paused_at, member.pause_reason = datetime.now(UTC), reason or None
        _record(session, actor, "member.paused", member, reason=reason)
    return member


def resume(session: Session, project: Project, actor: User, user_id: int) -> Member:
    """Hand this person pairs again."""
    member = member_of(session, project, user_id)
    if member.paused_at is not None:
        member.paused_at, member.pause_reason = None, None
        _record(session, actor, "member.resumed", member)
    return member


def remove(session: Session, project: Project, actor: User, user_id: int) -> Member:
    """Remove a person from the project. Their labels stay; an open pair comes free when its lease ends."""
    member = member_of(session, project, user_id)
    if member.role is Role.MANAGER:
        _keep_a_manager(session, project, user_id)
    member.removed_at = datetime.now(UTC)
    _record(session, actor, "member.removed", member)
    return member


def _record(session: Session, actor: User | None, action: str, member: Member, **details: str) -> None:
    record(session, actor, action, project_id=member.project_id, subject=member.user, name=member.user.name, **details)


def _keep_a_manager(session: Session, project: Project, user_id: int) -> None:
    """Locks the managers' rows, so that two of them cannot remove each other at once."""
    if not [one for one in queries.lock_managers(session, project.id) if one != user_id]:
        raise Conflict("A project needs a manager. Make somebody else one first.")


def copy_members(session: Session, source: Project, project: Project, actor: User) -> None:
    """Everybody who is at work in one project joins another with their role; whoever is in it already stays as they
    are. Paused people stay behind."""
    there = {member.user_id for member in queries.standing_members(session, project.id)}
    joining = [
        member
        for member in queries.standing_members(session, source.id)
        if member.user_id not in there and member.paused_at is None and member.user.disabled_at is None
    ]
    for member in joining:
        queries.join(session, project.id, member.user_id, member.role)
    if joining:
        record(
            session, actor, "members.copied", project_id=project.id, subject=project, copied=len(joining),
            source=source.name,
        )  # fmt: skip
