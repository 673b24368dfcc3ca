"""Responses that people write as their labels: each is at a position of its item behind those that it shows."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import MOST_SHOWN, Item, ItemResponse, Label, Response, User
from app.web.markdown import rendering, to_html


def next_position(session: Session, item: Item) -> int:
    """The next one that a label of this item can bring. The caller holds the item."""
    last = session.scalar(select(func.max(ItemResponse.position)).where(ItemResponse.item_id == item.id))
    return max(MOST_SHOWN, -1 if last is None else last + 1)


def add(session: Session, author: User, item: Item, text: str, label: Label, position: int) -> Response:
    """Keep what somebody wrote as this label."""
    response = Response(
        prompt_id=item.prompt_id, author_id=author.id, text=text, html=to_html(text), html_by=rendering()
    )
    session.add(ItemResponse(item_id=item.id, position=position, response=response, label_id=label.id))
    session.flush()
    return response
