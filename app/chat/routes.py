"""Chat's pages. A message is answered in a stream where the page asks for one, else with the page once it is whole."""

import json
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from app.chat import queries, service, views
from app.chat.forms import MAX_CHARACTERS, ChoiceForm, ConsentForm, MessageForm, ThumbForm
from app.chat.service import Job
from app.chat.writing import AwaitedResponse, StreamedResponse, follow
from app.models import Conversation, Thumb, TurnChoice
from app.policies.service import chat_model
from app.projects.dependencies import Access, Annotator
from app.web import csrf, rate_limits
from app.web.addresses import Before
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Refused
from app.web.events import LiveStream
from app.web.forms import parse
from app.web.pages import page
from app.web.problems import wants_json
from app.web.render import is_htmx, redirect, render
from app.web.routing import Router

router = Router(prefix="/projects/{project_id}/chat")
MESSAGES = "30/minute"


@router.get("")
def new(request: Request, session: Db, access: Annotator, before: Before = None) -> HTMLResponse:
    """My conversations, and an empty one to begin with."""
    return _page(request, session, access, None, before=before)


@router.get("/{conversation_id}")
def show(request: Request, session: Db, access: Annotator, conversation_id: RowId, before: Before = None) -> Response:
    """One of my conversations."""
    conversation = service.get(session, access.project, access.user, conversation_id)
    if is_htmx(request):
        return views.partial(request, session, conversation)
    return _page(request, session, access, conversation, before=before)


@router.post("")
def begin(request: Request, session: Db, access: Annotator, submitted: Submitted) -> Response:
    """Start a conversation with a first message."""
    form = parse(MessageForm, submitted)
    try:
        rate_limits.hit(MESSAGES, "chat", str(access.user.id))
        with session.begin_nested():
            job = service.begin(session, access.project, access.user, form.content, form.consent)
    except Refused as error:
        return _again(request, session, access, None, form, error)
    return _answered(request, session, access, job)


@router.post("/{conversation_id}/messages")
def send(request: Request, session: Db, access: Annotator, conversation_id: RowId, submitted: Submitted) -> Response:
    """Say something more."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    form = parse(MessageForm, submitted)
    try:
        rate_limits.hit(MESSAGES, "chat", str(access.user.id))
        with session.begin_nested():
            job = service.send(session, access.project, access.user, conversation, form.content)
    except Refused as error:
        return _again(request, session, access, conversation, form, error)
    return _answered(request, session, access, job)


@router.post("/{conversation_id}/turns/{turn_id}/regenerate")
def regenerate(request: Request, session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId) -> Response:
    """Write the last response again; where it was whole, the two are offered for comparison."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    rate_limits.hit(MESSAGES, "chat", str(access.user.id))
    job = service.regenerate(session, access.project, conversation, turn_id)
    return _answered(request, session, access, job)


@router.post("/{conversation_id}/turns/{turn_id}/stop")
def stop(request: Request, session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId) -> Response:
    """That is enough; what there is stays."""
    conversation = service.get(session, access.project, access.user, conversation_id)
    service.stop(session, conversation, turn_id)
    return _changed(request, session, conversation)


@router.get("/{conversation_id}/turns/{turn_id}/events")
def turn_events(request: Request, session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId) -> LiveStream:
    """Server-sent events of a response that is being written, for a page that was opened meanwhile: `start`, `piece`
    and `end`, as those of the page that asked for it."""
    conversation = service.get(session, access.project, access.user, conversation_id)
    turn, token = service.response(session, conversation, turn_id), csrf.token_for(request)
    first, last = _first(session, conversation, token), lambda: views.thread_html_later(conversation_id, token)
    return LiveStream(access.user.id, follow(turn.id, len(turn.content), first, last))


@router.post("/{conversation_id}/turns/{turn_id}/thumb")
def rate(
    request: Request, session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId, submitted: Submitted
) -> Response:
    """A thumb up or down, or none."""
    conversation = service.get(session, access.project, access.user, conversation_id)
    thumb = parse(ThumbForm, submitted).thumb
    service.rate(session, conversation, turn_id, None if thumb == "none" else Thumb(thumb))
    return _changed(request, session, conversation)


@router.post("/{conversation_id}/turns/{turn_id}/choose")
def choose(
    request: Request, session: Db, access: Annotator, conversation_id: RowId, turn_id: RowId, submitted: Submitted
) -> Response:
    """Which of two responses is better; the conversation goes on from it."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    choice = TurnChoice(parse(ChoiceForm, submitted).choice)
    service.choose(session, access.project, access.user, conversation, turn_id, choice)
    return _changed(request, session, conversation)


@router.post("/{conversation_id}/consent")
def consent(session: Db, access: Annotator, conversation_id: RowId, submitted: Submitted) -> Response:
    """Allow or forbid that this conversation's prompts and choices are used for training."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    allowed = parse(ConsentForm, submitted).consent
    service.set_consent(session, access.project, access.user, conversation, allowed)
    says = (
        "From now on, your prompts here wait for a manager, who may add them as training prompts, and your choices "
        "between two answers count as labels."
        if allowed
        else "Private from now on. What you had shared was taken back: no new training uses it, and nobody is asked "
        "about it."
    )
    return redirect(_url(access, conversation), says)


@router.post("/{conversation_id}/delete")
def delete(session: Db, access: Annotator, conversation_id: RowId) -> Response:
    """Delete the conversation for good."""
    conversation = service.get(session, access.project, access.user, conversation_id, lock=True)
    service.delete(session, access.project, access.user, conversation)
    return redirect(f"/projects/{access.project.id}/chat", "The conversation was deleted.")


def _url(access: Access, conversation: Conversation) -> str:
    return f"/projects/{access.project.id}/chat/{conversation.id}"


def _page(
    request: Request,
    session: Db,
    access: Access,
    conversation: Conversation | None,
    *,
    before: int | None = None,
    status: int = 200,
    typed: str = "",
    wants_consent: bool = False,
    error: str | None = None,
) -> HTMLResponse:
    shown: dict[str, Any] = {} if conversation is None else views.thread(session, conversation)
    return render(
        request,
        "chat/page.html",
        status=status,
        current=conversation,
        conversations=page(session, queries.conversations(access.project.id, access.user.id), Conversation.id, before),
        policy=chat_model(session, access.project),
        most=MAX_CHARACTERS,
        typed=typed,
        wants_consent=wants_consent,
        error=error,
        live=False,
        **shown,
    )


def _again(
    request: Request, session: Db, access: Access, conversation: Conversation | None, form: MessageForm, error: Refused
) -> Response:
    """The page with what was typed, so that nothing is lost; scripts get the refusal itself."""
    if wants_json(request):
        raise error
    return _page(
        request,
        session,
        access,
        conversation,
        status=error.status,
        typed=form.content,
        wants_consent=form.consent,
        error=error.message,
    )


def _answered(request: Request, session: Db, access: Access, job: Job) -> Response:
    url = f"/projects/{job.project_id}/chat/{job.conversation_id}"
    if "text/event-stream" not in request.headers.get("accept", ""):
        return AwaitedResponse(job, lambda: redirect(f"{url}#latest"))
    conversation = service.get(session, access.project, access.user, job.conversation_id)
    token = csrf.token_for(request)
    first = _first(session, conversation, token)
    return StreamedResponse(job, first, lambda: views.thread_html_later(job.conversation_id, token))


def _first(session: Session, conversation: Conversation, token: str) -> str:
    """What a page is told before the pieces of a response."""
    return json.dumps(
        {
            "url": f"/projects/{conversation.project_id}/chat/{conversation.id}",
            "title": conversation.title,
            "thread": views.thread_html(session, conversation, token, live=True),
            "sharing": views.sharing_html(conversation, token),
        }
    )


def _changed(request: Request, session: Db, conversation: Conversation) -> Response:
    """The thread for htmx, else back to the page."""
    session.flush()
    if is_htmx(request):
        return views.partial(request, session, conversation)
    return redirect(f"/projects/{conversation.project_id}/chat/{conversation.id}#latest")
