"""Responses that people wrote, as rows for supervised fine-tuning."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Item, ItemResponse, Label, Prompt, Purpose, Response, Split

_BATCH = 500


def rows(session: Session, project_id: int) -> Iterator[list[dict[str, Any]]]:
    """TRL's conversational prompt and completion, {"prompt": messages, "completion": messages}, for each response that
    is a person's current label; in batches, in the order they were given. Never one on a holdout prompt."""
    statement = (
        select(Prompt.messages, Response.text)
        .select_from(Label)
        .join(ItemResponse, ItemResponse.label_id == Label.id)
        .join(Response, Response.id == ItemResponse.response_id)
        .join(Item, Item.id == Label.item_id)
        .join(Prompt, Prompt.id == Item.prompt_id)
        .where(
            Label.project_id == project_id,
            Label.superseded_at.is_(None),
            Item.purpose == Purpose.TRAIN,
            Prompt.split == Split.TRAIN,
        )
        .order_by(Label.id)
    )
    for batch in session.execute(statement, execution_options={"yield_per": _BATCH}).partitions():
        yield [{"prompt": row.messages, "completion": [{"role": "assistant", "content": row.text}]} for row in batch]
