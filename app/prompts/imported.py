"""Prompts that a file brings, a batch at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from app.models import Item, Messages, Prompt, PromptSource, PromptStatus, Response, Run
from app.prompts import queries, splits
from app.runs.service import project_of


@dataclass(frozen=True, slots=True)
class Brought:
    """A prompt as a file has it; `extra` are its further columns."""

    messages: Messages
    extra: dict[str, Any] | None = None


def add(session: Session, run: Run, brought: Mapping[str, Brought]) -> set[str]:
    """Store prompts, by their hash; the hashes of those that are new. The others stay as they are."""
    sides = splits.assigned(session, project_of(run), {digest: each.messages for digest, each in brought.items()})
    rows = [
        {
            **sides[digest],
            "project_id": project_of(run),
            "messages": each.messages,
            "content_hash": digest,
            "source": PromptSource.IMPORT,
            "status": PromptStatus.ACTIVE,
            "flags": [],
            "created_by_id": run.created_by_id,
            "run_id": run.id,
            "extra": each.extra or None,
        }
        for digest, each in brought.items()
    ]
    return queries.insert_new(session, rows)


def take_out(session: Session, run_id: int, after: int, limit: int) -> tuple[int, int]:
    """Delete the next prompts of an import that nothing was made of; (the last one looked at, 0 at the end; how many
    are gone)."""
    found = session.scalars(
        select(Prompt.id)
        .where(Prompt.run_id == run_id, Prompt.id > after)
        .order_by(Prompt.id)
        .limit(limit)
        .with_for_update()
    ).all()
    if not found:
        return 0, 0
    unused = (
        ~exists().where(Item.prompt_id == Prompt.id),
        ~exists().where(Response.prompt_id == Prompt.id),
    )
    gone = session.scalars(delete(Prompt).where(Prompt.id.in_(found), *unused).returning(Prompt.id)).all()
    return found[-1], len(gone)


def left(session: Session, run_id: int) -> int:
    """How many prompts of an import there are."""
    return session.scalar(select(func.count()).where(Prompt.run_id == run_id)) or 0
