"""The SQL of prompts."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, cast, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert
from sqlalchemy.orm import Session

from app import bulk
from app.models import Prompt, PromptSource, PromptStatus, Split
from app.prompts.forms import PromptConditions
from app.web.tables import Found

_CHUNK = 1000


@dataclass
class Twins:
    """The prompts that share a twin key: the side of the oldest, and how many they are."""

    split: Split
    prompts: int = 0


def known_hashes(session: Session, project_id: int, hashes: Sequence[str]) -> set[str]:
    """Which of these contents the project has already, in whatever status."""
    found: set[str] = set()
    for start in range(0, len(hashes), _CHUNK):
        part = hashes[start : start + _CHUNK]
        found.update(
            session.scalars(
                select(Prompt.content_hash).where(
                    Prompt.project_id == project_id, bulk.among(Prompt.content_hash, part)
                )
            )
        )
    return found


def sides(session: Session, project_id: int, keys: Sequence[str]) -> dict[str, Split]:
    """Split key -> the side of the prompts that the project has of it: that of the oldest, where there are two."""
    found: dict[str, Split] = {}
    for start in range(0, len(keys), _CHUNK):
        chosen = (
            select(Prompt.split_key, Prompt.split)
            .ext(distinct_on(Prompt.split_key))
            .where(Prompt.project_id == project_id, bulk.among(Prompt.split_key, keys[start : start + _CHUNK]))
            .order_by(Prompt.split_key, Prompt.id)
        )
        found.update({row.split_key: row.split for row in session.execute(chosen)})
    return found


def twins(session: Session, project_id: int, keys: Sequence[int]) -> dict[int, Twins]:
    """Twin key -> the prompts that the project has of it, of the keys that some have.

    By its index, whatever the planner thinks: it takes each key for that of one row in 200, and reads all prompts.
    """
    found: dict[int, Twins] = {}
    session.execute(text("set local enable_seqscan = off"))
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        shared = (
            select(Prompt.id, Prompt.project_id, Prompt.split, Prompt.twin_keys)
            .where(Prompt.twin_keys.overlap(literal(part, ARRAY(BigInteger))))
            .cte("shared")
            .prefix_with("materialized")
        )
        own_project = shared.c.project_id == project_id
        rows = session.execute(select(shared.c.split, shared.c.twin_keys).where(own_project).order_by(shared.c.id))
        wanted = set(part)
        for split, own in rows:
            for key in wanted.intersection(own):
                found.setdefault(key, Twins(split)).prompts += 1
    session.execute(text("set local enable_seqscan = on"))
    return found


def insert_new(session: Session, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Insert what is not there yet; the hashes of the new rows. In their order, so that two that insert the same ones
    at once wait for each other one way round only."""
    new: set[str] = set()
    ordered = sorted(rows, key=lambda row: str(row["content_hash"]))
    for start in range(0, len(ordered), _CHUNK):
        statement = bulk.inserting(Prompt, ordered[start : start + _CHUNK]).on_conflict_do_nothing(
            index_elements=["project_id", "content_hash"]
        )
        new.update(session.scalars(statement.returning(Prompt.content_hash)))
    return new


def with_hashes(session: Session, project_id: int, hashes: Sequence[str]) -> dict[str, tuple[int, PromptStatus]]:
    """Hash -> (id, status) of the prompts with these contents, which are there until this transaction ends."""
    found = session.execute(
        select(Prompt.content_hash, Prompt.id, Prompt.status)
        .where(Prompt.project_id == project_id, bulk.among(Prompt.content_hash, hashes))
        .order_by(Prompt.id)
        .with_for_update(read=True, key_share=True)
    )
    return {digest: (id_, status) for digest, id_, status in found}


def get(session: Session, project_id: int, prompt_id: int) -> Prompt | None:
    """A prompt of this project."""
    return session.scalar(select(Prompt).where(Prompt.project_id == project_id, Prompt.id == prompt_id))


def by_hash(session: Session, project_id: int, digest: str, *, hold: bool = False) -> Prompt | None:
    """The prompt with this content. With `hold`, it is there until this transaction ends."""
    found = select(Prompt).where(Prompt.project_id == project_id, Prompt.content_hash == digest)
    return session.scalar(found.with_for_update(read=True, key_share=True) if hold else found)


def found(project_id: int, wanted: PromptConditions) -> Found[Prompt]:
    """The project's prompts that are meant."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.status:
        conditions.append(Prompt.status == wanted.status)
    if wanted.split:
        conditions.append(Prompt.split == wanted.split)
    if wanted.source:
        conditions.append(Prompt.source == wanted.source)
    if wanted.search:
        conditions.append(cast(Prompt.messages, Text).icontains(_as_in_json(wanted.search), autoescape=True))
    return Found(select(Prompt).where(Prompt.project_id == project_id), conditions)


def counts(session: Session, project_id: int) -> dict[tuple[PromptStatus, Split], int]:
    """How many prompts there are in each status and split."""
    rows = session.execute(
        select(Prompt.status, Prompt.split, func.count())
        .where(Prompt.project_id == project_id)
        .group_by(Prompt.status, Prompt.split)
    )
    return {(status, split): count for status, split, count in rows}


def active(session: Session, project_id: int, split: Split | None) -> Iterator[Prompt]:
    """Active prompts in the order of their ids, streamed."""
    conditions = [Prompt.project_id == project_id, Prompt.status == PromptStatus.ACTIVE]
    if split is not None:
        conditions.append(Prompt.split == split)
    yield from session.scalars(select(Prompt).where(*conditions).order_by(Prompt.id).execution_options(yield_per=500))


def copy_active(session: Session, project_id: int, source_id: int, person_id: int) -> int:
    """Copy a project's active prompts into another, in their order, but for those from chat; how many there were."""
    kept = (
        "messages", "html", "html_by", "content_hash", "source", "status", "split", "split_key", "twin_keys", "flags",
        "extra",
    )  # fmt: skip
    columns = [getattr(Prompt, name) for name in kept]
    there = (
        select(literal(project_id), literal(person_id), *columns)
        .where(Prompt.project_id == source_id, Prompt.status == PromptStatus.ACTIVE, Prompt.source != PromptSource.CHAT)
        .order_by(Prompt.id)
    )
    made = insert(Prompt).from_select(["project_id", "created_by_id", *kept], there)
    return len(session.scalars(made.on_conflict_do_nothing().returning(Prompt.id)).all())


def set_status(
    session: Session, project_id: int, ids: Sequence[int], old: Sequence[PromptStatus], new: PromptStatus
) -> list[int]:
    """Move prompts of one of the `old` statuses to `new`; the ids of those that moved."""
    statement = (
        update(Prompt)
        .where(Prompt.project_id == project_id, bulk.among(Prompt.id, ids), Prompt.status.in_(old))
        .values(status=new)
        .returning(Prompt.id)
        .execution_options(synchronize_session="fetch")
    )
    return list(session.scalars(statement))


def _as_in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def delete_for_good(session: Session, ids: Sequence[int]) -> None:
    """Delete prompts with all that there is of them."""
    session.execute(delete(Prompt).where(Prompt.id.in_(ids)))
