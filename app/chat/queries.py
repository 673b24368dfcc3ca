"""The SQL of chat."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, exists, func, select, update
from sqlalchemy.orm import Session, joinedload

from app.models import (
    Conversation,
    Item,
    Label,
    Prompt,
    PromptSource,
    PromptStatus,
    Turn,
    TurnComparison,
    TurnState,
)
from app.prompts import queries as prompts


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
    """All turns with the models that wrote them, responses written again included."""
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
    """How many responses there are at a position."""
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
    """The comparison in which this response is the newer one."""
    return session.scalars(
        select(TurnComparison).where(
            TurnComparison.conversation_id == conversation_id, TurnComparison.second_id == second_id
        )
    ).one_or_none()


def release_items(session: Session, conversation_id: int) -> list[int]:
    """Have the choices of this conversation be labels no more; the items that they were labels on."""
    found = session.scalars(
        select(TurnComparison).where(
            TurnComparison.conversation_id == conversation_id, TurnComparison.item_id.is_not(None)
        )
    ).all()
    items = [comparison.item_id for comparison in found if comparison.item_id is not None]
    for comparison in found:
        comparison.item_id = None
    session.flush()
    return items


def shared_choices(project_id: int) -> Select[TurnComparison]:
    """Comparisons that their person decided and shares."""
    return (
        select(TurnComparison)
        .join(Conversation)
        .where(Conversation.project_id == project_id, Conversation.consent, TurnComparison.choice.is_not(None))
        .options(joinedload(TurnComparison.first), joinedload(TurnComparison.second))
    )


def end_abandoned(session: Session, conversation_id: int, older_than: timedelta, error: str) -> None:
    """Responses whose writer died with its process do not stay under way for ever."""
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
    """Whether a response of this conversation is being written."""
    statement = select(Turn.id).where(Turn.conversation_id == conversation_id, Turn.state == TurnState.STREAMING)
    return session.scalars(statement.limit(1)).one_or_none() is not None


def write_on(session: Session, turn_id: int, text: str) -> bool:
    """Keep what there is of a response; False where nobody waits for it any more."""
    return bool(
        session.scalars(
            update(Turn)
            .where(Turn.id == turn_id, Turn.state == TurnState.STREAMING)
            .values(content=text)
            .returning(Turn.id)
        ).all()
    )


def forget_unreviewed(session: Session, conversation: Conversation) -> list[int]:
    """Delete the prompts in the review inbox that only this conversation brought there; the ids of those that have to
    be withdrawn instead, since they are admitted or a snapshot holds a label on them."""
    collected = select(Turn.prompt_id).where(Turn.conversation_id == conversation.id, Turn.prompt_id.is_not(None))
    brought = (Prompt.id.in_(collected), Prompt.source == PromptSource.CHAT)
    # Of two conversations that forget one prompt, the second one waits here and then sees what became of the first.
    session.scalars(select(Prompt.id).where(*brought).order_by(Prompt.id).with_for_update()).all()
    shared_elsewhere = exists().where(
        Turn.prompt_id == Prompt.id,
        Turn.conversation_id != conversation.id,
        Conversation.id == Turn.conversation_id,
        Conversation.consent,
    )
    own = session.execute(
        select(
            Prompt.id,
            Prompt.status.in_([PromptStatus.REVIEW, PromptStatus.REFUSED])
            & ~exists().where(Item.prompt_id == Prompt.id, Label.item_id == Item.id),
        ).where(*brought, ~shared_elsewhere)
    ).all()
    prompts.delete_for_good(session, [id_ for id_, forgettable in own if forgettable])
    return [id_ for id_, forgettable in own if not forgettable]
