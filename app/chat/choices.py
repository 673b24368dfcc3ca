"""What leaves a chat with its person's consent: prompts, and choices between two responses as labels; and how it is
taken back with the consent, or with the conversation."""

from sqlalchemy.orm import Session

from app.accounts import audit
from app.annotation import KINDS
from app.chat import queries
from app.items import outside as items
from app.items.outside import Said
from app.items.service import withdraw_prompts
from app.labels import outside as labels
from app.models import Conversation, Item, Messages, Outcome, Project, Prompt, Turn, TurnComparison, TurnRole, User
from app.prompts import service as prompts
from app.web.errors import Invalid


def line_before(session: Session, conversation_id: int, position: int) -> Messages:
    """The turns before a position as a model reads them: a message whose response failed goes with it, so that roles
    alternate."""
    messages: Messages = []
    for turn in queries.kept_turns(session, conversation_id, position):
        if turn.role is TurnRole.ASSISTANT and not turn.content.strip():
            messages.pop()
        else:
            messages.append({"role": turn.role.value, "content": turn.content})
    return messages


def collect(session: Session, project: Project, person: User, asked: Turn, messages: Messages) -> Prompt | None:
    """Hand a message with the turns before it to stage 1, where it waits for a manager; None where it is no prompt."""
    try:
        prompt = prompts.add_from_chat(session, project, person, messages)
    except Invalid:
        return None  # too long to train on: the chat goes on, the prompt stays here
    asked.prompt_id = prompt.id
    return prompt


def share(session: Session, project: Project, person: User, comparison: TurnComparison) -> None:
    """Make a choice a label, with the conversation before it as its prompt. Decided anew, it is a revision."""
    item = _item(session, project, person, comparison)
    if item is not None and comparison.choice is not None:
        comparison.item_id = item.id
        labels.give(session, person, item, KINDS[item.kind].chosen(Outcome(comparison.choice.value)))


def _item(session: Session, project: Project, person: User, comparison: TurnComparison) -> Item | None:
    """The comparison as an item; None where there is nothing to learn: two equal responses, or no prompt."""
    if comparison.item_id is not None:
        return session.get_one(Item, comparison.item_id)
    seen = (comparison.first, comparison.second)
    said = [Said(turn.model_id, turn.content, turn.finish_reason) for turn in seen if turn.model_id is not None]
    if len({each.text.strip() for each in said} - {""}) < len(seen):
        return None
    asked = queries.kept_turns(session, comparison.conversation_id, comparison.first.position)[-1]
    messages = line_before(session, comparison.conversation_id, comparison.first.position)
    prompt = collect(session, project, person, asked, messages)
    return None if prompt is None else items.add_from_chat(session, prompt, said)


def take_back(session: Session, project: Project, person: User, conversation: Conversation) -> None:
    """Have nothing of a conversation be learned from any more. What a snapshot holds stays there, and counts nowhere
    else; prompts that a manager had admitted are asked no more; all else is deleted."""
    if shared := queries.release_items(session, conversation.id):
        labels.withdraw(session, project.id, shared)
        audit.record(session, person, "chat.labels_withdrawn", project_id=project.id, labels=len(shared))
    if admitted := queries.forget_unreviewed(session, conversation):
        withdraw_prompts(session, project, person, admitted)
