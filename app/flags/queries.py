"""Which flags there are, and who may read them."""

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from app.flags.forms import FlagFilter
from app.models import Flag, FlagMessage, Item, User
from app.projects.dependencies import Access
from app.web.errors import NotFound
from app.web.pages import Page, page

_WHOLE = (
    joinedload(Flag.person).undefer(User.shown),
    selectinload(Flag.messages).joinedload(FlagMessage.author).undefer(User.shown),
    joinedload(Flag.item).joinedload(Item.prompt),
)


def readable(access: Access) -> ColumnElement[bool]:
    """A manager reads all flags of the project, anybody else their own."""
    mine = Flag.project_id == access.project.id
    return mine if access.is_manager else mine & (Flag.person_id == access.user.id)


def listing(session: Session, access: Access, chosen: FlagFilter) -> Page[Flag]:
    """Flags with their threads, the newest first."""
    statement = select(Flag).where(readable(access)).options(*_WHOLE)
    if chosen.state != "all":
        statement = statement.where(Flag.closed_at.is_(None) if chosen.state == "open" else Flag.closed_at.is_not(None))
    return page(session, statement, Flag.id, chosen.before, chosen.limit)


def find(session: Session, access: Access, flag_id: int) -> Flag:
    """A flag with its thread; NotFound where this person may not read it."""
    found = session.scalar(select(Flag).where(readable(access), Flag.id == flag_id).options(*_WHOLE))
    if found is None:
        raise NotFound(f"There is no flag {flag_id} in this project, or it is somebody else's.")
    return found


def unread(session: Session, access: Access) -> int:
    """On how many of this person's own flags somebody has written since they last looked."""
    later = or_(Flag.seen_at.is_(None), FlagMessage.created_at > Flag.seen_at)
    return (
        session.scalar(
            select(func.count(Flag.id.distinct()))
            .join(FlagMessage, FlagMessage.flag_id == Flag.id)
            .where(Flag.project_id == access.project.id, Flag.person_id == access.user.id)
            .where(FlagMessage.author_id != access.user.id, later)
        )
        or 0
    )
