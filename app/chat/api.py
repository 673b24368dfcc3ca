"""Chat through the JSON API. A message waits for its whole response. Only one's own conversations are seen."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy.orm import Session

from app.chat import choices, queries, service, views
from app.chat.forms import ChoiceForm, ConsentForm, MessageForm, ThumbForm
from app.chat.routes import MESSAGES
from app.chat.service import Job
from app.chat.writing import AwaitedResponse
from app.db import task_session
from app.models import (
    Conversation,
    Messages,
    Thumb,
    Turn,
    TurnChoice,
    TurnComparison,
    TurnRole,
    TurnState,
)  # fmt: skip
from app.projects.dependencies import Annotator, Manager
from app.web import rate_limits
from app.web.dependencies import Db, RowId
from app.web.errors import NotFound
from app.web.pages import Paging, page
from app.web.problems import PROBLEM
from app.web.routing import Router
from app.web.views import Listing, Problem, View

router = Router(prefix="/projects/{project_id}", tags=["chat"])


class TurnView(View):
    """A message or a response to one. Of several responses with the same `position`, the conversation goes on from the
    one that is `kept`. `left_out` counts the oldest messages that the model could not be shown. Two responses that wait
    for a choice between them name no model."""

    id: int
    position: int
    variant: int
    kept: bool
    role: TurnRole
    content: str
    state: TurnState
    model: str | None
    model_id: int | None
    finish_reason: str | None
    left_out: int
    thumb: Thumb | None
    error: str | None


class ConversationHead(View):
    """A conversation. With `consent`, its prompts and choices may be used for training."""

    id: int
    title: str
    consent: bool
    created_at: datetime


class ConversationView(ConversationHead):
    """The same with all its turns."""

    turns: list[TurnView]


class SharedChoiceView(View):
    """A choice between two responses in a conversation that is shared, as a row to learn from. `preference` is the
    probability that `chosen` is better: 0.5 for a tie."""

    prompt: Messages
    chosen: str
    rejected: str
    preference: float
    chosen_model_id: int | None
    rejected_model_id: int | None


@router.get("/chat")
def list_conversations(session: Db, access: Annotator, chosen: Annotated[Paging, Query()]) -> Listing[ConversationHead]:
    """My conversations, newest first."""
    mine = queries.conversations(access.project.id, access.user.id)
    found = page(session, mine, Conversation.id, chosen.before, chosen.limit)
    return Listing[ConversationHead].of(found)


@router.get("/chat-choices")
def list_choices(session: Db, access: Manager, chosen: Annotated[Paging, Query()]) -> Listing[SharedChoiceView]:
    """Choices between two responses in conversations whose person shares them, as preference pairs."""
    shared = queries.shared_choices(access.project.id)
    found = page(session, shared, TurnComparison.id, chosen.before, chosen.limit)
    return Listing[SharedChoiceView](items=[_choice(session, each) for each in found.items], before=found.before)


@router.get("/chat/{conversation_id}")
def show_conversation(session: Db, access: Annotator, conversation_id: RowId) -> ConversationView:
    """One of my conversations with all its turns."""
    return _whole(session, service.get(session, access.project, access.user, conversation_id))


@router.post("/chat", status_code=201, response_model=ConversationView)
def begin_conversation(session: Db, access: Annotator, body: MessageForm) -> Response:
    """Start a conversation; it comes back with its first response."""
    rate_limits.hit(MESSAGES, "chat", str(access.user.id))
    return _answered(service.begin(session, access.project, access.user, body.content, body.consent), 201)


@router.post("/chat/{conversation_id}/messages", response_model=ConversationView)
def send_message(session: Db, access: Annotator, conversation_id: RowId, body: MessageForm) -> Response:
    """Say something more."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    rate_limits.hit(MESSAGES, "chat", str(access.user.id))
    return _answered(service.send(session, access.project, access.user, conversation, body.content))


@router.post("/chat/{conversation_id}/turns/{turn_id}/regenerate", response_model=ConversationView)
def regenerate_response(session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId) -> Response:
    """Have the last response written anew."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    rate_limits.hit(MESSAGES, "chat", str(access.user.id))
    return _answered(service.regenerate(session, access.project, conversation, turn_id))


@router.post("/chat/{conversation_id}/turns/{turn_id}/stop")
def stop_response(session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId) -> ConversationView:
    """Stop a response that is being written."""
    conversation = service.get(session, access.project, access.user, conversation_id)
    service.stop(session, conversation, turn_id)
    return _whole(session, conversation)


@router.post("/chat/{conversation_id}/turns/{turn_id}/thumb")
def rate_response(
    session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId, body: ThumbForm
) -> ConversationView:
    """A thumb up or down, or none."""
    conversation = service.get(session, access.project, access.user, conversation_id)
    service.rate(session, conversation, turn_id, None if body.thumb == "none" else Thumb(body.thumb))
    return _whole(session, conversation)


@router.post("/chat/{conversation_id}/turns/{turn_id}/choose")
def choose_response(
    session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId, body: ChoiceForm
) -> ConversationView:
    """Say which of two responses is better; `turn_id` is the newer one."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    service.choose(session, access.project, access.user, conversation, turn_id, TurnChoice(body.choice))
    return _whole(session, conversation)


@router.post("/chat/{conversation_id}/consent")
def set_consent(session: Db, access: Annotator, conversation_id: RowId, body: ConsentForm) -> ConversationHead:
    """Say whether this conversation's prompts and choices may be used for training."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    service.set_consent(session, access.project, access.user, conversation, body.consent)
    return ConversationHead.model_validate(conversation)


@router.delete("/chat/{conversation_id}", status_code=204)
def delete_conversation(session: Db, access: Annotator, conversation_id: RowId) -> None:
    """Delete a conversation for good."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    service.delete(session, access.project, access.user, conversation)


def _answered(job: Job, status: int = 200) -> Response:
    def whole() -> Response:
        with task_session() as session:
            conversation = session.get(Conversation, job.conversation_id)
            if conversation is None:
                detail = "This conversation was deleted meanwhile."
                gone = Problem(title=NotFound.title, status=404, detail=detail)
                return JSONResponse(gone.model_dump(exclude={"errors"}), 404, media_type=PROBLEM)
            return JSONResponse(_whole(session, conversation).model_dump(mode="json"), status)

    return AwaitedResponse(job, whole)


def _whole(session: Session, conversation: Conversation) -> ConversationView:
    head, blind = ConversationHead.model_validate(conversation), views.blind(session, conversation)
    turns = [_turn(each, each.id in blind) for each in queries.turns(session, conversation.id)]
    return ConversationView(**dict(head), turns=turns)


def _turn(turn: Turn, blind: bool) -> TurnView:
    return TurnView(
        id=turn.id,
        position=turn.position,
        variant=turn.variant,
        kept=turn.kept,
        role=turn.role,
        content=turn.content,
        state=turn.state,
        model=turn.model.name if turn.model and not blind else None,
        model_id=None if blind else turn.model_id,
        finish_reason=turn.finish_reason,
        left_out=turn.left_out,
        thumb=turn.thumb,
        error=turn.error,
    )


def _choice(session: Session, row: TurnComparison) -> SharedChoiceView:
    better, worse = (row.second, row.first) if row.choice is TurnChoice.SECOND else (row.first, row.second)
    return SharedChoiceView(
        prompt=choices.line_before(session, row.conversation_id, row.first.position),
        chosen=better.content,
        rejected=worse.content,
        preference=0.5 if row.choice is TurnChoice.TIE else 1.0,
        chosen_model_id=better.model_id,
        rejected_model_id=worse.model_id,
    )
