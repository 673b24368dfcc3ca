"""The SQL of chat."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session, joinedload

from app.models import Conversation, Prompt, PromptSource, PromptStatus, Turn, TurnComparison, TurnState


def conversations(project_id: int, user_id: int) -> Select[Conversation]:
    """One person's conversations in a project."""
    return select(Conversation).where(Conversation.project_id == project_id, Conversation.user_id == user_id)


def conversation(
    session: Session, project_id: int, user_id: int, conversation_id: int, *, lock: bool = False
) -> Conversation | None:
    """A conversation of this person. With `lock`, other messages to it wait for this transaction."""
    found = conversations(project_id, user_id).where(Conversation.id == conversation_id)
    return session.scalars(found.with_for_update() if lock else found).one_or_none()


def turns(session: Session, conversation_id: int) -> Sequence[Turn]:
    """All turns with the models that wrote them, answers written again included."""
    return session.scalars(
        select(Turn)
        .where(Turn.conversation_id == conversation_id)
        .options(joinedload(Turn.model))
        .order_by(Turn.position, Turn.variant)
        .execution_options(populate_existing=True)
    ).all()


def kept_turns(session: Session, conversation_id: int, before: int) -> Sequence[Turn]:
    """The line of the conversation before a position."""
    return session.scalars(
        select(Turn)
        .where(Turn.conversation_id == conversation_id, Turn.kept, Turn.position < before)
        .order_by(Turn.position)
    ).all()


def last_turn(session: Session, conversation_id: int) -> Turn | None:
    """The kept turn at the end."""
    return session.scalars(
        select(Turn).where(Turn.conversation_id == conversation_id, Turn.kept).order_by(Turn.position.desc()).limit(1)
    ).one_or_none()


def variants(session: Session, conversation_id: int, position: int) -> int:
    """How many answers there are at a position."""
    statement = select(func.count()).where(Turn.conversation_id == conversation_id, Turn.position == position)
    return session.scalars(statement).one()


def turn(session: Session, conversation_id: int, turn_id: int) -> Turn | None:
    """A turn of this conversation."""
    return session.scalars(
        select(Turn).where(Turn.id == turn_id, Turn.conversation_id == conversation_id)
    ).one_or_none()


def comparisons(session: Session, conversation_id: int) -> Sequence[TurnComparison]:
    """Pairs of answers that were offered, the newest last."""
    return session.scalars(
        select(TurnComparison).where(TurnComparison.conversation_id == conversation_id).order_by(TurnComparison.id)
    ).all()


def comparison(session: Session, conversation_id: int, second_id: int) -> TurnComparison | None:
    """The comparison in which this answer is the newer one."""
    return session.scalars(
        select(TurnComparison).where(
            TurnComparison.conversation_id == conversation_id, TurnComparison.second_id == second_id
        )
    ).one_or_none()


def shared_choices(project_id: int) -> Select[TurnComparison]:
    """Comparisons that their person decided and shares."""
    return (
        select(TurnComparison)
        .join(Conversation)
        .where(Conversation.project_id == project_id, Conversation.consent, TurnComparison.choice.is_not(None))
        .options(joinedload(TurnComparison.first), joinedload(TurnComparison.second))
    )


def end_abandoned(session: Session, conversation_id: int, older_than: timedelta, error: str) -> None:
    """Answers whose writer died with its process do not stay under way for ever."""
    session.execute(
        update(Turn)
        .where(
            Turn.conversation_id == conversation_id,
            Turn.state == TurnState.STREAMING,
            Turn.created_at < func.now() - older_than,
        )
        .values(state=TurnState.FAILED, error=error, ended_at=func.now())
    )


def is_streaming(session: Session, conversation_id: int) -> bool:
    """Whether an answer of this conversation is being written."""
    statement = select(Turn.id).where(Turn.conversation_id == conversation_id, Turn.state == TurnState.STREAMING)
    return session.scalars(statement.limit(1)).one_or_none() is not None


def write_on(session: Session, turn_id: int, text: str) -> bool:
    """Keep what there is of an answer; False where nobody waits for it any more."""
    return bool(
        session.scalars(
            update(Turn)
            .where(Turn.id == turn_id, Turn.state == TurnState.STREAMING)
            .values(content=text)
            .returning(Turn.id)
        ).all()
    )


def forget_unreviewed(session: Session, project_id: int, user_id: int, prompt_ids: Sequence[int]) -> list[int]:
    """Delete prompts that this person's chat brought into the review inbox; the ids of the others."""
    own = (Prompt.project_id == project_id, Prompt.created_by_id == user_id, Prompt.source == PromptSource.CHAT)
    gone = session.scalars(
        delete(Prompt)
        .where(Prompt.id.in_(prompt_ids), *own, Prompt.status.in_([PromptStatus.REVIEW, PromptStatus.REFUSED]))
        .returning(Prompt.id)
    ).all()
    return list(session.scalars(select(Prompt.id).where(Prompt.id.in_(set(prompt_ids) - set(gone)), *own)).all())
