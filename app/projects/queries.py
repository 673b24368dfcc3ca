"""The SQL of projects."""

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from app.models import Member, Project


def project_with_member(session: Session, project_id: int, user_id: int) -> tuple[Project, Member | None] | None:
    """A project and this person's standing membership in it, where there is one."""
    row = session.execute(
        select(Project, Member)
        .outerjoin(
            Member,
            and_(Member.project_id == Project.id, Member.user_id == user_id, Member.removed_at.is_(None)),
        )
        .where(Project.id == project_id)
    ).first()
    return None if row is None else (row[0], row[1])
