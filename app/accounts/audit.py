"""The audit trail: who did what, when. Append-only."""

from typing import Any

from sqlalchemy.orm import Session

from app.models import AuditEvent, Base, User


def record(
    session: Session,
    actor: User | None,
    action: str,
    *,
    project_id: int | None = None,
    subject: Base | None = None,
    **details: Any,
) -> None:
    """Write down that `actor` (None: the platform itself) did `action`, which reads `subject.verb`. A `subject` with
    an `id` is flushed first, so that a new row's id is known. Never put a secret among the details."""
    if subject is not None and getattr(subject, "id", None) is None:
        session.flush()
    session.add(
        AuditEvent(
            actor_id=actor.id if actor else None,
            project_id=project_id,
            action=action,
            subject_type=subject.__tablename__ if subject is not None else None,
            subject_id=getattr(subject, "id", None),
            details=details,
        )
    )
