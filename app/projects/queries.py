"""The SQL of projects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased, contains_eager

from app.accounts.queries import USER_BY, Credential
from app.models import AuditEvent, Invitation, Label, Member, Project, Role, User
from app.projects.forms import MemberConditions
from app.web.pages import Page
from app.web.tables import Found

CREATED = "project.created"  # in the audit trail


@dataclass(frozen=True)
class Listed:
    """A project in somebody's list. `role` is None where an administrator is no member."""

    project: Project
    role: Role | None
    members: int
    labels: int
    mine: int


# Where the two rows stand in their tables and which transactions wrote them: another text after any change.
_VERSION = literal_column("concat_ws(' ', project.ctid, project.xmin, member.ctid, member.xmin)", Text)

# Asked at every request within a project: the person, the project if there is one, their standing membership in it, and
# the version of these two rows.
USER_WITH_PROJECT = {
    credential: user.add_columns(Project, Member, _VERSION.label("version"))
    .outerjoin(Project, and_(Project.id == bindparam("project"), Project.goes_since.is_(None)))
    .outerjoin(Member, and_(Member.project_id == Project.id, Member.user_id == User.id, Member.removed_at.is_(None)))
    for credential, user in USER_BY.items()
}


class StandingParameters(TypedDict, total=False):
    """What `STANDING` binds."""

    token_hash: str
    project: int
    user: int
    version: str


STANDING = str(
    USER_WITH_PROJECT[Credential.COOKIE]
    .with_only_columns(User.id)
    .where(User.id == bindparam("user"), bindparam("version") == _VERSION)
)
"""SQL with a row while what was read of a user in a project by a token still is of that version."""


def listed(
    session: Session, user: User, archived: bool = False, before: int | None = None, limit: int | None = None
) -> Page[Listed]:
    """The projects a person may enter, with a few figures, newest first; all of them where there is no limit."""
    mine = and_(Member.project_id == Project.id, Member.user_id == user.id, Member.removed_at.is_(None))
    others = select(func.count()).where(Member.project_id == Project.id, Member.removed_at.is_(None))
    labels = select(func.count()).where(Label.project_id == Project.id, Label.superseded_at.is_(None))
    statement = (
        select(
            Project,
            Member.role,
            others.correlate(Project).scalar_subquery(),
            labels.correlate(Project).scalar_subquery(),
            labels.where(Label.annotator_id == user.id).correlate(Project).scalar_subquery(),
        )
        .outerjoin(Member, mine)
        .where(Project.archived_at.is_not(None) if archived else Project.archived_at.is_(None))
        .where(Project.goes_since.is_(None))
        .order_by(Project.id.desc())
    )
    if not user.is_admin:
        statement = statement.where(Member.user_id.is_not(None))
    if before is not None:
        statement = statement.where(Project.id < before)
    if limit is not None:
        statement = statement.limit(limit + 1)
    found = [Listed(*row) for row in session.execute(statement)]
    more = limit is not None and len(found) > limit
    return Page(found[:limit], found[:limit][-1].project.id if more else None)


def manages_any(session: Session, user_id: int) -> bool:
    """Whether this person is a manager anywhere."""
    return bool(
        session.scalar(
            select(exists().where(Member.user_id == user_id, Member.role == Role.MANAGER, Member.removed_at.is_(None)))
        )
    )


def lock_creator(session: Session, user_id: int) -> None:
    """Let one transaction at a time make a project for this person."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('hone.create'), :user)"), {"user": user_id})


def created_by(session: Session, user_id: int) -> int:
    """How many projects that are not archived this person has made."""
    made = select(AuditEvent.subject_id).where(AuditEvent.action == CREATED, AuditEvent.actor_id == user_id)
    return session.scalar(select(func.count()).where(Project.id.in_(made), Project.archived_at.is_(None))) or 0


def found(project_id: int, wanted: MemberConditions) -> Found[Member]:
    """The standing members that are meant, with their accounts."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.search:
        named = (each.icontains(wanted.search, autoescape=True) for each in (User.name, User.email))
        conditions.append(or_(*named))
    if wanted.role:
        conditions.append(Member.role == wanted.role)
    if wanted.state == "disabled":
        conditions.append(User.disabled_at.is_not(None))
    elif wanted.state:
        paused = Member.paused_at.is_not(None) if wanted.state == "paused" else Member.paused_at.is_(None)
        conditions += [User.disabled_at.is_(None), paused]
    all_ = select(Member).join(Member.user).where(Member.project_id == project_id, Member.removed_at.is_(None))
    return Found(all_, conditions, (contains_eager(Member.user),))


def count_managers(session: Session, project_id: int) -> int:
    """How many managers the project has."""
    standing = (Member.project_id == project_id, Member.role == Role.MANAGER, Member.removed_at.is_(None))
    return session.scalar(select(func.count()).where(*standing)) or 0


def standing_members(session: Session, project_id: int) -> Sequence[Member]:
    """Everybody who is in a project, with their account."""
    inside = select(Member).join(Member.user).where(Member.project_id == project_id, Member.removed_at.is_(None))
    return session.scalars(inside.options(contains_eager(Member.user)).order_by(Member.user_id)).all()


def member(session: Session, project_id: int, user_id: int) -> Member | None:
    """A membership, removed or not."""
    return session.get(Member, (project_id, user_id))


def lock_managers(session: Session, project_id: int) -> Sequence[int]:
    """Ids of the project's managers, held until the transaction ends."""
    return session.scalars(
        select(Member.user_id)
        .where(Member.project_id == project_id, Member.role == Role.MANAGER, Member.removed_at.is_(None))
        .order_by(Member.user_id)
        .with_for_update()
    ).all()


def join(session: Session, project_id: int, user_id: int, role: Role) -> None:
    """Make somebody a member, or one again, or one with another role."""
    values = {"role": role, "removed_at": None, "paused_at": None, "pause_reason": None}
    session.execute(
        insert(Member)
        .values(project_id=project_id, user_id=user_id, **values)
        .on_conflict_do_update(index_elements=["project_id", "user_id"], set_=values)
        .execution_options(populate_existing=True)
    )


_MAKER = aliased(User)
_MAKERS_ROLE = aliased(Member)
# Whoever is removed from a project must not come back by an invitation of their own.
_MAY_STILL_INVITE = exists().where(
    _MAKER.id == Invitation.created_by_id,
    _MAKER.disabled_at.is_(None),
    or_(
        _MAKER.is_admin,
        exists().where(
            _MAKERS_ROLE.project_id == Invitation.project_id,
            _MAKERS_ROLE.user_id == _MAKER.id,
            _MAKERS_ROLE.role == Role.MANAGER,
            _MAKERS_ROLE.removed_at.is_(None),
        ),
    ),
)
_OPEN = (
    Invitation.used_at.is_(None),
    Invitation.revoked_at.is_(None),
    Invitation.expires_at > func.now(),
    _MAY_STILL_INVITE,
)


def inviting(project_id: int) -> Select[Invitation]:
    """Invitations that can still be used."""
    return select(Invitation).where(Invitation.project_id == project_id, *_OPEN)


def open_invitations(session: Session, project_id: int) -> Sequence[Invitation]:
    """All of them, newest first."""
    return session.scalars(inviting(project_id).order_by(Invitation.id.desc())).all()


def open_invitation_by_id(session: Session, project_id: int, invitation_id: int) -> Invitation | None:
    """One open invitation of this project."""
    return session.scalar(
        select(Invitation).where(Invitation.id == invitation_id, Invitation.project_id == project_id, *_OPEN)
    )


def open_invitation(session: Session, token_hash: str) -> tuple[Invitation, Project] | None:
    """The open invitation with this token, and its project."""
    row = session.execute(
        select(Invitation, Project)
        .join(Project, Project.id == Invitation.project_id)
        .where(Invitation.token_hash == token_hash, Project.archived_at.is_(None), *_OPEN)
    ).first()
    return None if row is None else (row[0], row[1])


def use_invitation(session: Session, user_id: int, invitation_id: int) -> bool:
    """Mark an invitation used, in one statement: of two at once, one finds it used."""
    used = (
        update(Invitation)
        .where(Invitation.id == invitation_id, *_OPEN)
        .values(used_at=func.now(), used_by_id=user_id)
        .returning(Invitation.id)
    )
    return session.scalar(used) is not None


def set_current_policy(session: Session, project_id: int, expected: int | None, policy_id: int | None) -> bool:
    """Compare-and-set of the promoted policy; False where somebody else has changed it meanwhile."""
    changed = session.scalar(
        update(Project)
        .where(Project.id == project_id, Project.policy_id.is_not_distinct_from(expected))
        .values(policy_id=policy_id)
        .returning(Project.id)
    )
    return changed is not None
