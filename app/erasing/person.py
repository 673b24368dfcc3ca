"""A person is forgotten: what says who they are goes, with their chats; the labels they gave stay under a number. It
writes what several stages know of a person, in one place that can be checked."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts import service as accounts
from app.chat import service as chat
from app.models import Conversation, Label, Project, User

_FORGET = (
    """update "user" set name = :name, email = :email, password_hash = null, is_admin = false,
        disabled_at = coalesce(disabled_at, clock_timestamp()) where id = :person""",
    "delete from web_session where user_id = :person",
    "delete from sign_in_link where user_id = :person",
    "delete from api_token where user_id = :person",
    "delete from flag_message where author_id = :person",
    "delete from flag where person_id = :person",
    "delete from idempotency_key where user_id = :person",
    """update member set removed_at = coalesce(removed_at, clock_timestamp()), pause_reason = null
        where user_id = :person""",
    """update audit_event set details = details - '{name,note,reason,now,before}'::text[]
        where actor_id = :person and subject_type in ('api_token', 'user')
            or subject_type = 'user' and subject_id = :person
            or subject_type = 'invitation' and subject_id in (select id from invitation where used_by_id = :person)
            or details ->> 'user_id' = :number""",
    "update invitation set note = null where used_by_id = :person",
)


def counts(session: Session, user: User) -> dict[str, int]:
    """What would go, and what would stay."""
    chats = session.scalar(select(func.count()).where(Conversation.user_id == user.id)) or 0
    labels = session.scalar(select(func.count()).where(Label.annotator_id == user.id)) or 0
    return {"conversations": chats, "labels that stay": labels}


def erase(session: Session, actor: User | None, user: User) -> None:
    """Delete a person's name, e-mail, password, sessions, tokens and conversations. Their labels stay, by "Person
    <number>", so that snapshots and what was learned from them can still be verified. Raises Conflict for the last
    administrator."""
    accounts.keep_an_admin(session, user, "deleted")
    for conversation in session.scalars(select(Conversation).where(Conversation.user_id == user.id)).all():
        chat.delete(session, session.get_one(Project, conversation.project_id), user, conversation)
    session.flush()
    about = {"name": f"Person {user.id}", "email": f"person-{user.id}@deleted.invalid"}
    for statement in _FORGET:
        session.execute(text(statement), {"person": user.id, "number": str(user.id), **about})
    session.refresh(user)
    audit.record(session, actor, "user.deleted", subject=user)
    session.flush()
