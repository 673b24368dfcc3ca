"""Chat through the JSON API. A message is answered once its answer is whole; only one's own conversations are seen."""

from typing import Any

from fastapi.responses import JSONResponse, Response

from app.chat import choices, queries, service
from app.chat.forms import ChoiceForm, ConsentForm, MessageForm, ThumbForm
from app.chat.routes import MESSAGES
from app.chat.service import Job
from app.chat.writing import AwaitedAnswer
from app.db import task_session
from app.models import Conversation, Thumb, Turn, TurnChoice, TurnComparison
from app.projects.dependencies import Annotator, Manager
from app.web import rate_limits
from app.web.addresses import Before
from app.web.dependencies import Db, RowId
from app.web.pages import page
from app.web.routing import Router

router = Router(prefix="/projects/{project_id}", tags=["chat"])


@router.get("/chat")
def list_conversations(session: Db, access: Annotator, before: Before = None) -> dict[str, Any]:
    """My conversations, newest first; `before` of the answer asks for the next page."""
    found = page(session, queries.conversations(access.project.id, access.user.id), Conversation.id, before)
    return {"conversations": [_head(each) for each in found.items], "before": found.before}


@router.get("/chat-choices")
def list_choices(session: Db, access: Manager, before: Before = None) -> dict[str, Any]:
    """Choices between two answers in conversations whose person shares them, as preference pairs."""
    found = page(session, queries.shared_choices(access.project.id), TurnComparison.id, before)
    return {"choices": [_choice(session, each) for each in found.items], "before": found.before}


@router.get("/chat/{conversation_id}")
def show(session: Db, access: Annotator, conversation_id: RowId) -> dict[str, Any]:
    """One of my conversations with all its turns."""
    return _whole(session, service.get(session, access.project, access.user, conversation_id))


@router.post("/chat", status_code=201)
def begin(session: Db, access: Annotator, body: MessageForm) -> Response:
    """Start a conversation; the answer is the conversation with its first answer."""
    rate_limits.hit(MESSAGES, "chat", str(access.user.id))
    return _answered(service.begin(session, access.project, access.user, body.content, body.consent), 201)


@router.post("/chat/{conversation_id}/messages")
def send(session: Db, access: Annotator, conversation_id: RowId, body: MessageForm) -> Response:
    """Say something more."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    rate_limits.hit(MESSAGES, "chat", str(access.user.id))
    return _answered(service.send(session, access.project, access.user, conversation, body.content))


@router.post("/chat/{conversation_id}/turns/{turn_id}/regenerate")
def regenerate(session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId) -> Response:
    """Write the last answer again."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    rate_limits.hit(MESSAGES, "chat", str(access.user.id))
    return _answered(service.regenerate(session, access.project, conversation, turn_id))


@router.post("/chat/{conversation_id}/turns/{turn_id}/stop")
def stop(session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId) -> dict[str, Any]:
    """Stop an answer that is being written."""
    conversation = service.get(session, access.project, access.user, conversation_id)
    service.stop(session, conversation, turn_id)
    return _whole(session, conversation)


@router.post("/chat/{conversation_id}/turns/{turn_id}/thumb")
def rate(session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId, body: ThumbForm) -> dict[str, Any]:
    """A thumb up or down, or none."""
    conversation = service.get(session, access.project, access.user, conversation_id)
    service.rate(session, conversation, turn_id, None if body.thumb == "none" else Thumb(body.thumb))
    return _whole(session, conversation)


@router.post("/chat/{conversation_id}/turns/{turn_id}/choose")
def choose(session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId, body: ChoiceForm) -> dict[str, Any]:
    """Which of two answers is better; `turn_id` is the newer one."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    service.choose(session, access.project, access.user, conversation, turn_id, TurnChoice(body.choice))
    return _whole(session, conversation)


@router.post("/chat/{conversation_id}/consent")
def consent(session: Db, access: Annotator, conversation_id: RowId, body: ConsentForm) -> dict[str, Any]:
    """May this conversation's prompts and choices be used for training?"""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    service.set_consent(session, access.project, access.user, conversation, body.consent)
    return _head(conversation)


@router.delete("/chat/{conversation_id}", status_code=204)
def delete(session: Db, access: Annotator, conversation_id: RowId) -> None:
    """Delete a conversation for good."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    service.delete(session, access.project, access.user, conversation)


def _answered(job: Job, status: int = 200) -> Response:
    def whole() -> Response:
        with task_session() as session:
            conversation = session.get(Conversation, job.conversation_id)
            if conversation is None:
                return JSONResponse({"detail": "This conversation was deleted meanwhile."}, 404)
            return JSONResponse(_whole(session, conversation), status)

    return AwaitedAnswer(job, whole)


def _head(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "title": conversation.title,
        "consent": conversation.consent,
        "created_at": conversation.created_at.isoformat(),
    }


def _whole(session: Db, conversation: Conversation) -> dict[str, Any]:
    return _head(conversation) | {"turns": [_turn(each) for each in queries.turns(session, conversation.id)]}


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "position": turn.position,
        "variant": turn.variant,
        "kept": turn.kept,
        "role": turn.role.value,
        "content": turn.content,
        "state": turn.state.value,
        "model": turn.model.name if turn.model else None,
        "model_id": turn.model_id,
        "finish_reason": turn.finish_reason,
        "left_out": turn.left_out,
        "thumb": turn.thumb.value if turn.thumb else None,
        "error": turn.error,
    }


def _choice(session: Db, row: TurnComparison) -> dict[str, Any]:
    better, worse = (row.second, row.first) if row.choice is TurnChoice.SECOND else (row.first, row.second)
    return {
        "prompt": choices.line_before(session, row.conversation_id, row.first.position),
        "chosen": better.content,
        "rejected": worse.content,
        "preference": 0.5 if row.choice is TurnChoice.TIE else 1.0,
        "chosen_model_id": better.model_id,
        "rejected_model_id": worse.model_id,
    }
