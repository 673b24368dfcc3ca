"""A person is forgotten: what says who they are goes, with their chats. The labels they gave stay under a number, or go
as well. It writes what several stages know of a person, in one place that can be checked."""

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.accounts import service as accounts
from app.erasing import in_parts, retention, their_labels
from app.erasing.outlook import Outlook
from app.labels import forgetting
from app.models import Conversation, Run, RunKind, User
from app.runs.service import ENDED
from app.web.errors import Conflict, Invalid

# What calls have answered may name them: to themselves, to who works in their projects, and to administrators.
_FORGET = (
    """delete from idempotency_key where user_id = :person or user_id in (select id from "user" where is_admin)
        or user_id in (select user_id from member where project_id in (
            select project_id from member where user_id = :person))""",
    """update "user" set name = :name, email = :email, password_hash = null, is_admin = false, keys = '{}',
        disabled_at = coalesce(disabled_at, clock_timestamp()) where id = :person""",
    "delete from web_session where user_id = :person",
    "delete from sign_in_link where user_id = :person",
    "delete from api_token where user_id = :person",
    "delete from flag_message where author_id = :person",
    "delete from flag where person_id = :person",
    """update member set removed_at = coalesce(removed_at, clock_timestamp()), pause_reason = null
        where user_id = :person""",
    """update audit_event set details = details - '{name,note,reason,now,before}'::text[]
        where actor_id = :person and subject_type in ('api_token', 'user')
            or subject_type = 'user' and subject_id = :person
            or subject_type = 'invitation' and subject_id in (select id from invitation where used_by_id = :person)
            or details ->> 'user_id' = :number""",
    "update invitation set note = null where used_by_id = :person",
)


def counts(session: Session, user: User, *, with_labels: bool) -> dict[str, int]:
    """How much there is of what goes in parts, by words in the plural."""
    chats = {"conversations": session.scalar(select(func.count()).where(Conversation.user_id == user.id)) or 0}
    return chats | _labels(session, user) if with_labels else chats


def _labels(session: Session, user: User) -> dict[str, int]:
    labels, written = forgetting.counts(session, user.id)
    return {"labels": labels, "responses written as labels": written}


def outlook(session: Session, user: User, *, with_labels: bool) -> Outlook:
    """What would go, and what would stay."""
    goes = counts(session, user, with_labels=with_labels)
    if not with_labels:
        exports = {"folders of exports": len(_exports(session, forgetting.projects_of(session, user.id)))}
        return Outlook(goes | exports, _labels(session, user), _blocked(session, user))
    found = their_labels.look(session, user)
    goes |= {"prompts from their chats": len(found.prompts), "folders of ended runs": len(found.folders)}
    stays = {"prompts from their chats on which others gave labels": found.prompts_of_others}
    stays["snapshots that lose labels"] = found.snapshots
    return Outlook(goes, stays, _blocked(session, user) or found.blocked)


def require_email(user: User, typed: str) -> None:
    """Refuse a deletion that was not meant for this person."""
    if typed.strip().lower() != user.email.lower():
        raise Invalid(f"Type the person's e-mail, {user.email}, to say that this one is meant.", "email")


def erase(session: Session, actor: User | None, user: User, *, with_labels: bool) -> None:
    """Delete a person's name, e-mail, password, sessions and tokens; a worker deletes their conversations, see
    `in_parts`. Their labels stay, by "Person <number>", so that snapshots and what was learned from them can still be
    verified; or go too, `with_labels`. Raises Conflict for the last administrator, and while a run reads labels that
    are to go."""
    accounts.keep_an_admin(session, user, "deleted")
    if user.labels_go_since is not None:
        if not with_labels:
            raise Conflict(f"Person {user.id} is being deleted with their labels; that cannot be changed any more.")
        in_parts.ask(session)
        return
    if with_labels:
        their_labels.begin(session, user)
        in_parts.ask(session)
    else:
        retention.delete_folders(session, _exports(session, forgetting.projects_of(session, user.id)))
        user.chats_go_since = func.clock_timestamp()
        in_parts.ask(session)
    session.flush()
    about = {"name": f"Person {user.id}", "email": f"person-{user.id}@deleted.invalid"}
    for statement in _FORGET:
        session.execute(text(statement), {"person": user.id, "number": str(user.id), **about})
    session.refresh(user)
    audit.record(session, actor, "user.deleted", subject=user, labels="deleted" if with_labels else "kept")
    session.flush()


def _blocked(session: Session, user: User) -> str | None:
    try:
        accounts.keep_an_admin(session, user, "deleted")
    except Conflict as refusal:
        return refusal.message
    return None


def _exports(session: Session, projects: Sequence[int]) -> Sequence[Run]:
    """Ended exports that have a file, which names who labelled."""
    found = select(Run).where(Run.project_id.in_(projects), Run.kind == RunKind.EXPORT, Run.state.in_(ENDED))
    return session.scalars(found.where(Run.workspace.is_not(None)).order_by(Run.id)).all()
