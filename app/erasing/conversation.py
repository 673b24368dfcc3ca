"""What deleting a conversation does; `app.chat` does it."""

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from app.erasing.outlook import Outlook
from app.models import Conversation, Item, Label, Prompt, PromptStatus, SnapshotLabel, Turn, TurnComparison

_UNREVIEWED = (PromptStatus.REVIEW, PromptStatus.REFUSED)


def outlook(session: Session, conversation: Conversation) -> Outlook:
    """What would go, and what would stay."""
    turns = session.scalar(select(func.count()).where(Turn.conversation_id == conversation.id)) or 0
    shared = (
        select(Label.id)
        .join(TurnComparison, TurnComparison.item_id == Label.item_id)
        .where(TurnComparison.conversation_id == conversation.id)
    )
    held = session.scalars(shared.where(exists().where(SnapshotLabel.label_id == Label.id))).all()
    labels = len(session.scalars(shared).all())
    collected = select(Turn.prompt_id).where(Turn.conversation_id == conversation.id, Turn.prompt_id.is_not(None))
    labelled = exists().where(Item.prompt_id == Prompt.id, Label.item_id == Item.id, SnapshotLabel.label_id == Label.id)
    asked = select(func.count()).where(Prompt.id.in_(collected))
    prompts = session.scalar(asked) or 0
    goes = session.scalar(asked.where(Prompt.status.in_(_UNREVIEWED), ~labelled)) or 0
    return Outlook(
        {"turns": turns, "prompts that nobody added": goes, "labels made in it": labels - len(held)},
        {
            "prompts that were added, asked no more": prompts - goes,
            "labels that a training has learned from": len(held),
        },
    )
