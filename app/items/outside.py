"""Items that never wait in the queue: two answers that somebody chose between in a chat."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.annotation import comparing
from app.items import service
from app.models import Item, ItemResponse, Prompt, Purpose, Response
from app.web.markdown import rendering, to_html


@dataclass(frozen=True)
class Said:
    """What a model wrote in a chat. With which settings it was sampled is not known there."""

    model_id: int
    text: str
    finish_reason: str | None


def add_from_chat(session: Session, prompt: Prompt, written: Sequence[Said]) -> Item:
    """An item of these responses, by position in the order in which they were seen."""
    responses = [
        Response(
            prompt_id=prompt.id,
            model_id=said.model_id,
            text=said.text,
            html=to_html(said.text),
            html_by=rendering(),
            finish_reason=said.finish_reason,
        )
        for said in written
    ]
    return service.add(session, comparing(len(written)).name, prompt, responses, purpose=Purpose.CHAT, overlap=0)


def delete_from_chat(session: Session, item_ids: Sequence[int]) -> None:
    """Delete items from chat with their responses and labels, for good."""
    shown = select(ItemResponse.response_id).join(Item, Item.id == ItemResponse.item_id)
    shown = shown.where(Item.id.in_(item_ids), Item.purpose == Purpose.CHAT)
    session.execute(delete(Response).where(Response.id.in_(shown)))
    session.execute(delete(Item).where(Item.id.in_(item_ids), Item.purpose == Purpose.CHAT))
