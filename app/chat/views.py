"""What the chat pages show: the thread as groups of responses, and the partials that streams carry."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.chat import queries, service
from app.db import task_session
from app.models import Conversation, Turn, TurnComparison, TurnRole, TurnState
from app.web.render import environment, render


@dataclass(frozen=True)
class Exchange:
    """A message of the reader with its responses: the kept one, others, and an offered comparison, if one is open."""

    asked: Turn
    response: Turn | None
    others: list[Turn]
    offered: TurnComparison | None


def thread(session: Session, conversation: Conversation) -> dict[str, Any]:
    """What `chat/_thread.html` needs."""
    turns = queries.turns(session, conversation.id)
    by_position: dict[int, list[Turn]] = {}
    for turn in turns:
        by_position.setdefault(turn.position, []).append(turn)
    comparisons = {row.second_id: row for row in queries.comparisons(session, conversation.id)}
    last = max(by_position, default=0)
    exchanges = []
    for turn in turns:
        if turn.role is not TurnRole.USER:
            continue
        responses = by_position.get(turn.position + 1, [])
        kept = next((each for each in responses if each.kept), None)
        offered = comparisons.get(kept.id) if kept and kept.state is not TurnState.STREAMING else None
        if offered is not None and (offered.choice is not None or turn.position + 1 != last):
            offered = None
        shown = {kept.id, offered.first_id} if kept and offered else {kept.id} if kept else set()
        exchanges.append(Exchange(turn, kept, [each for each in responses if each.id not in shown], offered))
    return {
        "conversation": conversation,
        "exchanges": exchanges,
        "last_turn": last,
        "variants_left": len(by_position.get(last, [])) < service.MAX_VARIANTS,
        "writing": next((turn for turn in turns if turn.state is TurnState.STREAMING), None),
        "base": f"/projects/{conversation.project_id}/chat/{conversation.id}",
    }


def blind(session: Session, conversation: Conversation) -> set[int]:
    """The responses that wait for a choice between them: who wrote them is told once it is made."""
    offered = [each.offered for each in thread(session, conversation)["exchanges"] if each.offered]
    return {id_ for each in offered for id_ in (each.first_id, each.second_id)}


def thread_html(session: Session, conversation: Conversation, csrf_token: str, *, live: bool) -> str:
    """The thread alone. `live`: this page itself receives the response, so that it need not ask for it."""
    context = thread(session, conversation) | {"csrf_token": csrf_token, "live": live}
    return environment().get_template("chat/_thread.html").render(context)


def sharing_html(conversation: Conversation, csrf_token: str) -> str:
    """Whether the conversation is shared, with the button that changes it."""
    context = {"current": conversation, "csrf_token": csrf_token}
    return environment().get_template("chat/_sharing.html").render(context)


def thread_html_later(conversation_id: int, csrf_token: str) -> str:
    """The thread once its response has ended, in a transaction of its own; empty where it was deleted meanwhile."""
    with task_session() as session:
        conversation = session.get(Conversation, conversation_id)
        return "" if conversation is None else thread_html(session, conversation, csrf_token, live=False)


def partial(request: Request, session: Session, conversation: Conversation) -> HTMLResponse:
    """The thread as the answer to an htmx request."""
    return render(request, "chat/_thread.html", live=False, **thread(session, conversation))
