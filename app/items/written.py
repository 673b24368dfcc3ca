"""Responses that people write as their labels: each is at a position of its item behind those that it shows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app import bulk
from app.models import MOST_SHOWN, Item, ItemResponse, Label, Response, Run, User
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


@dataclass(frozen=True, slots=True)
class Brought:
    """What a file says that somebody wrote as their label."""

    item_id: int
    label_id: int
    text: str
    author: str


def positions(session: Session, brought: Sequence[Brought]) -> dict[int, int]:
    """Label -> the position that its response gets. The caller holds the items."""
    found = session.execute(
        select(ItemResponse.item_id, func.max(ItemResponse.position).label("last"))
        .where(bulk.among(ItemResponse.item_id, [each.item_id for each in brought]))
        .group_by(ItemResponse.item_id)
    )
    last = {row.item_id: row.last for row in found}
    given: dict[int, int] = {}
    for each in brought:
        last[each.item_id] = given[each.label_id] = max(MOST_SHOWN, last.get(each.item_id, -1) + 1)
    return given


def add_all(session: Session, run: Run, brought: Sequence[Brought], places: Mapping[int, int]) -> None:
    """Keep what an import brings at these positions, once its labels are there."""
    found = session.execute(
        select(Item.id, Item.prompt_id).where(bulk.among(Item.id, [each.item_id for each in brought]))
    )
    prompts = {row.id: row.prompt_id for row in found}
    responses, shown = [], []
    for id_, each in zip(bulk.new_ids(session, Response, len(brought)), brought, strict=True):
        responses.append(
            {"id": id_, "prompt_id": prompts[each.item_id], "run_id": run.id, "text": each.text,
             "imported_from": each.author}
        )  # fmt: skip
        shown.append(
            {"item_id": each.item_id, "position": places[each.label_id], "response_id": id_, "label_id": each.label_id}
        )
    bulk.insert_all(session, Response, responses)
    bulk.insert_all(session, ItemResponse, shown)


def of_labels(session: Session, labels: Collection[int]) -> Sequence[int]:
    """The responses that were written as these labels."""
    return session.scalars(select(ItemResponse.response_id).where(ItemResponse.label_id.in_(labels))).all()


def forget(session: Session, responses: Collection[int]) -> None:
    """Delete responses whose labels are gone."""
    session.execute(delete(Response).where(Response.id.in_(responses)))


def delete_by(session: Session, author_id: int, most: int) -> bool:
    """Delete what somebody wrote, so many at most; whether there was any."""
    some = session.scalars(select(Response.id).where(Response.author_id == author_id).limit(most)).all()
    forget(session, some)
    return bool(some)
