"""The rules of chat: whose turn it is, which policy answers, what consent allows. Knows no HTTP and no model server.

Which policy answers is decided for each message when it is sent, so a promotion holds from the next message on.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.chat import choices, queries
from app.chat.forms import MAX_CHARACTERS
from app.models import (
    Conversation,
    Messages,
    Project,
    Thumb,
    Turn,
    TurnChoice,
    TurnComparison,
    TurnRole,
    TurnState,
    User,
)
from app.policies import service as policies
from app.registry import service as registry
from app.web.errors import Conflict, Invalid, NotFound, TooLarge

MAX_TURNS = 200
MAX_VARIANTS = 5
RESPONSE_TIME = timedelta(minutes=10)
_ABANDONED = "This answer broke off, since the server that wrote it was stopped. Try again."


@dataclass(frozen=True)
class Job:
    """A response to be written: everything its writer needs, so that no database session stays open meanwhile."""

    project_id: int
    conversation_id: int
    turn_id: int
    model: str  # what the inference server calls it
    messages: Messages  # oldest first, the reader's message last
    settings: dict[str, Any]


def get(session: Session, project: Project, person: User, conversation_id: int, *, lock: bool = False) -> Conversation:
    """A conversation of this person; nobody else's, whatever their role."""
    found = queries.conversation(session, project.id, person.id, conversation_id, lock=lock)
    if found is None:
        raise NotFound("This conversation does not exist.")
    queries.end_abandoned(session, found.id, RESPONSE_TIME, _ABANDONED)
    return found


def begin(session: Session, project: Project, person: User, text: str, consent: bool) -> Job:
    """Start a conversation with a first message."""
    text = _message(text)
    title = " ".join(text.split())
    conversation = Conversation(
        project_id=project.id,
        user_id=person.id,
        title=title if len(title) <= 80 else title[:79] + "…",
        consent=consent,
    )
    session.add(conversation)
    session.flush()
    return send(session, project, person, conversation, text)


def send(session: Session, project: Project, person: User, conversation: Conversation, text: str) -> Job:
    """Add a message, and a response to be written by the current policy."""
    text = _message(text)
    _check_free(session, conversation)
    last = queries.last_turn(session, conversation.id)
    position = 0 if last is None else last.position + 1
    if position >= MAX_TURNS:
        raise Conflict(f"This conversation has {MAX_TURNS} turns, which is all it takes. Start a new one.")
    asked = Turn(
        conversation_id=conversation.id, position=position, role=TurnRole.USER, content=text, state=TurnState.DONE
    )
    session.add(asked)
    job = _response(session, project, conversation, position + 1)
    if conversation.consent:
        choices.collect(session, project, person, asked, job.messages)
    return job


def regenerate(session: Session, project: Project, conversation: Conversation, turn_id: int) -> Job:
    """Write the last response again. A whole response stays and is compared with the new one; a failed one goes."""
    _check_free(session, conversation)
    old = response(session, conversation, turn_id)
    last = queries.last_turn(session, conversation.id)  # the kept one, where somebody asks from an older page
    if last is None or old.position != last.position:
        raise Conflict("Only the last answer can be written again.")
    if queries.variants(session, conversation.id, last.position) >= MAX_VARIANTS:
        raise Conflict(f"This message has {MAX_VARIANTS} answers. Go on with one of them.")
    whole = bool(last.content.strip())
    if whole:
        last.kept = False
    else:
        session.delete(last)
    session.flush()
    variant = queries.variants(session, conversation.id, last.position)
    job = _response(session, project, conversation, last.position, variant)
    if whole:
        session.add(TurnComparison(conversation_id=conversation.id, first_id=last.id, second_id=job.turn_id))
        session.flush()
    return job


def _response(session: Session, project: Project, conversation: Conversation, position: int, variant: int = 0) -> Job:
    policy = policies.chat_model(session, project)
    address = registry.address_of(policy)  # refuses with a sentence while it is prepared, or where its files are gone
    turn = Turn(
        conversation_id=conversation.id,
        position=position,
        variant=variant,
        role=TurnRole.ASSISTANT,
        content="",
        state=TurnState.STREAMING,
        model_id=policy.id,
    )
    session.add(turn)
    session.flush()
    sampling = project.sampling
    settings: dict[str, Any] = {
        "temperature": project.plan.chat_temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_new_tokens,
    }
    if sampling.top_k:  # an extension that not every server knows
        settings["top_k"] = sampling.top_k
    messages = choices.line_before(session, conversation.id, position)
    return Job(project.id, conversation.id, turn.id, address, messages, settings)


def _message(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not text:
        raise Invalid("Write a message first.", "content")
    if len(text) > MAX_CHARACTERS:
        raise TooLarge(
            f"Your message has {len(text):,} characters; at most {MAX_CHARACTERS:,} can be sent at once. "
            "Shorten it, or send it in parts.",
            "content",
        )
    return text


def _check_free(session: Session, conversation: Conversation) -> None:
    if queries.is_streaming(session, conversation.id):
        raise Conflict("An answer is still being written. Wait for its end, or stop it.")


def write_on(session: Session, turn_id: int, text: str) -> bool:
    """Keep what there is of a response; False where it was stopped or deleted meanwhile."""
    return queries.write_on(session, turn_id, text)


def end(
    session: Session,
    turn_id: int,
    text: str,
    state: TurnState,
    *,
    finish_reason: str | None = None,
    left_out: int = 0,
    error: str | None = None,
) -> None:
    """A response is whole, or was stopped or failed. Where writing again gave nothing, the first response is kept."""
    turn = session.get(Turn, turn_id, with_for_update=True)
    if turn is None:
        return  # deleted by its reader meanwhile
    turn.content = text
    turn.ended_at = datetime.now(UTC)
    turn.finish_reason, turn.left_out = finish_reason, left_out
    if turn.state is TurnState.STREAMING:
        turn.state, turn.error = state, error
    comparison = queries.comparison(session, turn.conversation_id, turn.id)
    if comparison is not None and not text.strip():
        first = comparison.first
        session.delete(turn)  # and the comparison with it
        session.flush()
        first.kept, first.error = True, error
    session.flush()


def stop(session: Session, conversation: Conversation, turn_id: int) -> None:
    """The reader has enough: the writer notices within half a second and keeps what there is."""
    turn = response(session, conversation, turn_id)
    if turn.state is TurnState.STREAMING:
        turn.state = TurnState.STOPPED


def rate(session: Session, conversation: Conversation, turn_id: int, thumb: Thumb | None) -> None:
    """A thumb for a response, or none."""
    turn = response(session, conversation, turn_id)
    if turn.state is TurnState.STREAMING:
        raise Conflict("This answer is still being written.")
    turn.thumb = thumb


def choose(
    session: Session, project: Project, person: User, conversation: Conversation, second_id: int, choice: TurnChoice
) -> None:
    """Which of two responses is better; with consent it is a label, too. While they are the last turn, the conversation
    goes on from the better one."""
    _check_free(session, conversation)
    comparison = queries.comparison(session, conversation.id, second_id)
    if comparison is None:
        raise NotFound("There is no such comparison.")
    comparison.choice, comparison.chosen_at = choice, datetime.now(UTC)
    if conversation.consent:
        choices.share(session, project, person, comparison)
    last = queries.last_turn(session, conversation.id)
    if last is not None and last.id in (comparison.first_id, comparison.second_id):
        better, other = comparison.second, comparison.first
        if choice is TurnChoice.FIRST:
            better, other = other, better
        other.kept = False
        session.flush()
        better.kept = True
    session.flush()


def set_consent(session: Session, project: Project, person: User, conversation: Conversation, consent: bool) -> None:
    """From now on, prompts and choices of this conversation may be learned from, or may not; what was shared before is
    taken back with the consent."""
    conversation.consent = consent
    session.flush()
    if not consent:
        choices.take_back(session, project, person, conversation)


def delete(session: Session, project: Project, person: User, conversation: Conversation) -> None:
    """Delete every turn for good, and take back what was shared."""
    choices.take_back(session, project, person, conversation)
    session.delete(conversation)
    session.flush()


def response(session: Session, conversation: Conversation, turn_id: int) -> Turn:
    """A response of this conversation, or NotFound."""
    turn = queries.turn(session, conversation.id, turn_id)
    if turn is None or turn.role is not TurnRole.ASSISTANT:
        raise NotFound("There is no such answer.")
    return turn
