"""What a person may do in the project of the path. An outsider cannot tell that the project exists."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.accounts.dependencies import SignedIn, recognise
from app.models import Member, Project, Role, User
from app.projects import queries
from app.web.dependencies import Db, RowId
from app.web.errors import Conflict, NotAllowed, NotFound, SignInNeeded
from app.web.guard import grants
from app.web.viewer import ProjectFrame


@dataclass(frozen=True)
class Access:
    """A person admitted to a project. `role` is the membership's; an administrator without one acts as manager.
    `version` is another one after any change of the project or the membership."""

    user: User
    project: Project
    role: Role
    member: Member | None
    version: str

    @property
    def is_manager(self) -> bool:
        """Whether this person runs the project."""
        return self.role is Role.MANAGER or self.user.is_admin


def admitted(request: Request, session: Db, project_id: RowId) -> Access:
    """Members and administrators; nobody else learns that there is such a project. Recognises the person itself: as a
    dependency of its own, that would cost every request another thread."""
    row = recognise(request, session, queries.USER_WITH_PROJECT, project=project_id)
    if row is None:
        raise SignInNeeded()
    user, project, member, version, *_ = row
    if project is None or (member is None and not user.is_admin):
        raise NotFound(f"There is no project {project_id}, or you have no access to it.")
    access = Access(user, project, member.role if member else Role.MANAGER, member, version)
    request.state.project_frame = ProjectFrame(
        project.id, project.name, access.is_manager, archived=project.archived_at is not None
    )
    return access


@grants("annotator")
async def annotator(request: Request, access: Annotated[Access, Depends(admitted)]) -> Access:
    """Any member of the project, and administrators. An archived project can be read, not changed."""
    if access.project.archived_at is not None and request.method not in ("GET", "HEAD"):
        raise Conflict("This project is archived. A manager can restore it in its settings.")
    return access


def _manages(access: Access) -> Access:
    if not access.is_manager:
        raise NotAllowed("Only a manager of this project may do this.")
    return access


@grants("manager")
async def manager(access: Annotated[Access, Depends(annotator)]) -> Access:
    """Managers of the project, and administrators."""
    return _manages(access)


@grants("manager")
async def archived_manager(access: Annotated[Access, Depends(admitted)]) -> Access:
    """The same for what takes an archived project up again."""
    return _manages(access)


@grants("manager")
def manager_anywhere(session: Db, user: SignedIn) -> User:
    """Whoever manages a project, and administrators."""
    if not (user.is_admin or queries.manages_any(session, user.id)):
        raise NotAllowed("Only managers and administrators may do this.")
    return user


ManagerAnywhere = Annotated[User, Depends(manager_anywhere)]


@grants("admin")
async def managing_admin(access: Annotated[Access, Depends(annotator)]) -> Access:
    """Administrators of the installation, for what only they may bring into a project."""
    if not access.user.is_admin:
        raise NotAllowed("Only an administrator may do this.")
    return access


Annotator = Annotated[Access, Depends(annotator)]
Manager = Annotated[Access, Depends(manager)]
ManagingAdmin = Annotated[Access, Depends(managing_admin)]
ArchivedManager = Annotated[Access, Depends(archived_manager)]
