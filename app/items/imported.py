"""Items whose responses came with a file: each has the name of who wrote it, where the file gives one.

The same prompt with the same responses is one item, whichever file it came from and in whatever order it has them.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app import bulk
from app.items import queue
from app.models import Item, ItemResponse, Label, Project, Purpose, Response, Run
from app.models.item import Level

UNNAMED = "import"
"""Who wrote a response, where the file does not say."""
_draw = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Text:
    """A response as a file has it. `extra` are its further columns; `sampled` says how a model wrote it, where the file
    is our own export."""

    text: str
    author: str | None
    extra: Mapping[str, Any]
    sampled: Mapping[str, Any]


SAMPLING = ("strategy", "temperature", "top_p", "top_k", "seed", "finish_reason", "token_count")
"""The columns that say how."""


@dataclass(frozen=True, slots=True)
class Brought:
    """An item as a file has it."""

    key: str
    kind: str
    prompt_id: int
    ordinal: int  # its number in the file
    responses: Sequence[Text]
    extra: dict[str, Any] | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """The item that it became, with (text, author) of each position."""

    id: int
    new: bool
    responses: Sequence[tuple[str, str]]

    def places(self, responses: Sequence[Text]) -> list[int]:
        """The position of each of these responses, which are the item's in some order."""
        free: dict[tuple[str, str], list[int]] = defaultdict(list)
        for position, each in enumerate(self.responses):
            free[each].append(position)
        return [free[each.text, each.author or UNNAMED].pop(0) for each in responses]


def add(session: Session, project: Project, run: Run, brought: Sequence[Brought], *, asked: bool) -> dict[str, Stored]:
    """Store items with their responses, by their key. `asked`: they join the labelling queue; else nobody is asked,
    since the file says already which response is better."""
    first = {each.key: each for each in reversed(brought)}
    new = _insert(session, project, run, [first[key] for key in sorted(first)], asked)
    said = [(key, item_id, position) for key, item_id in new.items() for position in range(len(first[key].responses))]
    ids = bulk.new_ids(session, Response, len(said))
    responses, shown = [], []
    for id_, (key, item_id, position) in zip(ids, said, strict=True):
        each = first[key].responses[position]
        responses.append(
            {"id": id_, "prompt_id": first[key].prompt_id, "run_id": run.id, "text": each.text,
             "imported_from": each.author or UNNAMED, "extra": each.extra or None,
             **{name: each.sampled.get(name) for name in SAMPLING}}
        )  # fmt: skip
        shown.append({"item_id": item_id, "position": position, "response_id": id_})
    bulk.insert_all(session, Response, responses)
    bulk.insert_all(session, ItemResponse, shown)
    texts = _responses(session, project.id, [key for key in first if key not in new])
    for key, item_id in new.items():
        texts[key] = item_id, [(each.text, each.author or UNNAMED) for each in first[key].responses]
    return {key: Stored(item_id, key in new, said) for key, (item_id, said) in texts.items()}


def known(session: Session, project_id: int, keys: Sequence[str]) -> dict[str, int]:
    """Key -> id of those items that are there."""
    found = session.execute(
        select(Item.import_key, Item.id).where(Item.project_id == project_id, bulk.among(Item.import_key, keys))
    )
    return {str(key): id_ for key, id_ in found}


def _insert(session: Session, project: Project, run: Run, brought: Sequence[Brought], asked: bool) -> dict[str, int]:
    """Key -> id of those that are new, by key: two imports that insert the same ones wait for each other one way round
    only."""
    if not brought:
        return {}
    overlap, now = project.overlap if asked else 0, session.scalar(select(func.now()))
    rows = [
        {
            "project_id": project.id,
            "prompt_id": each.prompt_id,
            "kind": each.kind,
            "run_id": run.id,
            "ordinal": each.ordinal,
            "purpose": Purpose.TRAIN,
            "level": Level.TRAIN,
            "rank": _draw.random(),
            "control": _draw.random() < project.control_share,
            "overlap_target": overlap,
            "slots_left": overlap,
            "withdrawn_at": now if each.withdrawn else None,
            "import_key": each.key,
            "extra": each.extra or None,
        }
        for each in brought
    ]
    statement = (
        bulk.inserting(Item, rows)
        .on_conflict_do_nothing(index_elements=["project_id", "import_key"], index_where=Item.import_key.is_not(None))
        .returning(Item.import_key, Item.id)
    )
    return {str(key): id_ for key, id_ in session.execute(statement)}


def _responses(session: Session, project_id: int, keys: Sequence[str]) -> dict[str, tuple[int, list[tuple[str, str]]]]:
    """Key -> (id, (text, author) by position) of items that are there."""
    found: dict[str, tuple[int, list[tuple[str, str]]]] = {}
    rows = session.execute(
        select(Item.import_key, Item.id, Response.text, Response.imported_from)
        .outerjoin(ItemResponse, (ItemResponse.item_id == Item.id) & ItemResponse.label_id.is_(None))
        .outerjoin(Response, Response.id == ItemResponse.response_id)
        .where(Item.project_id == project_id, bulk.among(Item.import_key, keys))
        .order_by(Item.id, ItemResponse.position)
    )
    for key, id_, text, author in rows:
        shown = found.setdefault(str(key), (id_, []))[1]
        if text is not None:  # some items show none
            shown.append((text, author or UNNAMED))
    return found


def take_out(session: Session, run_id: int, after: int, limit: int) -> tuple[int, int]:
    """Delete the next items of an import that have no label, with their responses; (the last one looked at, 0 at the
    end; how many are gone). The others leave the queue."""
    found = session.scalars(
        select(Item.id).where(Item.run_id == run_id, Item.id > after).order_by(Item.id).limit(limit)
    ).all()
    if not found:
        return 0, 0
    project_id = session.get_one(Run, run_id).project_id or 0
    queue.withdraw(session, project_id, item_ids=found)  # ends the leases, in the order in which locks are taken
    kept = set(session.scalars(select(Label.item_id).where(Label.item_id.in_(found)).distinct()))
    gone = [each for each in found if each not in kept]
    shown = select(ItemResponse.response_id).where(ItemResponse.item_id.in_(gone))
    responses = session.scalars(select(Response.id).where(Response.id.in_(shown), Response.run_id == run_id)).all()
    session.execute(delete(Item).where(Item.id.in_(gone)))
    session.execute(delete(Response).where(Response.id.in_(responses)))
    return found[-1], len(gone)


def left(session: Session, run_id: int) -> int:
    """How many items of an import there are."""
    return session.scalar(select(func.count()).where(Item.run_id == run_id)) or 0
