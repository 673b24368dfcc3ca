"""The rules of prompts: import, the starter set, what chat hands over, admission. Knows no pair and no model."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy.orm import Session

from app.accounts import audit
from app.models import Messages, Project, Prompt, PromptSource, PromptStatus, Split, User
from app.prompts import queries, splits
from app.prompts.reading import Found, Layout, Unusable, check, content_hash, read, read_entries
from app.web.errors import Conflict, Invalid, NotFound, TooLarge
from formats import Refusal

STARTER = Path(__file__).with_name("starter.jsonl")
MAX_FILE = 32 * 2**20
MAX_PROMPTS = 100_000
# Files are read one at a time: several at once would take the interpreter from everybody else's requests.
_one_at_a_time = Lock()

_PERSONAL = {
    "e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.\w{2,}"),
    "phone number": re.compile(r"(?<!\w)(?:\+|00)?\d[\d ()/.-]{7,}\d(?!\w)"),
    "card or account number": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,}\b|\b(?:\d[ -]?){13,19}\b"),
    "address": re.compile(r"\b\d{1,5}\s+\w+\s+(?:street|st|road|rd|avenue|ave|lane|drive)\b", re.IGNORECASE),
    "name": re.compile(r"\bmy name is\b|\bI am called\b", re.IGNORECASE),
}


@dataclass
class ImportReport:
    """What an import found and did. Nothing was imported where `imported` is 0 and `new` is not."""

    entries: int = 0
    new: int = 0
    duplicates: int = 0
    holdout: int = 0
    imported: int = 0
    refused: list[Refusal] = field(default_factory=list)
    preview: list[Messages] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)  # what came with the prompts, and is no part of them

    @property
    def clean(self) -> bool:
        """Whether every entry is a prompt."""
        return not self.refused


def import_prompts(
    session: Session,
    project: Project,
    actor: User | None,
    rows: bytes | str | Sequence[Any],
    source: PromptSource,
    accept_bad: bool = False,
    layout: Layout = "auto",
    dry: bool = False,
) -> ImportReport:
    """Import a file's content, or a list of entries as `reading.read_entries` takes them.

    Nothing is imported unless every entry is good or `accept_bad` is set; `dry` only counts. What the project has
    already, whatever became of it, counts as a duplicate and stays as it is.
    """
    fresh: dict[str, Messages] = {}
    with _one_at_a_time:
        found = _read(rows, layout)
        good, refused = found.good, found.refused
        for _, messages in good:
            fresh.setdefault(content_hash(messages), messages)
    known = queries.known_hashes(session, project.id, list(fresh))
    fresh = {digest: messages for digest, messages in fresh.items() if digest not in known}
    sides = splits.assigned(session, project.id, fresh)
    report = ImportReport(
        entries=len(good) + len(refused),
        new=len(fresh),
        duplicates=len(good) - len(fresh),
        holdout=sum(side["split"] is Split.HOLDOUT for side in sides.values()),
        refused=refused,
        preview=list(fresh.values())[:5],
        left_out={what: count for what, count in found.left_out.items() if count},
    )
    if dry or not fresh or (refused and not accept_bad):
        return report
    rows = [_row(project, messages, digest, source, actor) | sides[digest] for digest, messages in fresh.items()]
    report.imported = len(queries.insert_new(session, rows))
    audit.record(
        session,
        actor,
        "prompts.imported",
        project_id=project.id,
        source=source.value,
        imported=report.imported,
        duplicates=report.duplicates,
        refused=len(refused),
    )
    return report


def import_starter_set(session: Session, project: Project, actor: User | None) -> ImportReport:
    """The prompts that come with Hone."""
    return import_prompts(session, project, actor, STARTER.read_bytes(), PromptSource.STARTER)


def copy_prompts(session: Session, source: Project, project: Project, actor: User) -> int:
    """Copy the active prompts of `source`; how many. Those from chat stay: their people shared them with that project
    alone, and may take them back."""
    copied = queries.copy_active(session, project.id, source.id, actor.id)
    audit.record(session, actor, "prompts.copied", project_id=project.id, copied=copied, source=source.name)
    return copied


def prompt_rows(session: Session, project: Project, split: Split | None) -> Iterator[dict[str, Any]]:
    """Active prompts as the learning library reads them: {"id", "prompt": messages}.

    Of holdout prompts alone also "chooses": whether they are to choose checkpoints, or to report.
    """
    for prompt in queries.active(session, project.id, split):
        chooses = {"chooses": prompt.chooses} if split is Split.HOLDOUT else {}
        yield {"id": prompt.id, "prompt": prompt.messages, **chooses}


def add_from_chat(session: Session, project: Project, person: User, messages: Messages) -> Prompt:
    """Keep what a consenting person asked in chat, for a manager to admit. The same content twice is one prompt.

    Raises Invalid where the conversation is no prompt, e.g. because it ends with a response.
    """
    try:
        messages = check(messages)
    except Unusable as error:
        raise Invalid(str(error)) from None
    digest = content_hash(messages)
    row = _row(project, messages, digest, PromptSource.CHAT, person)
    row |= splits.assigned(session, project.id, {digest: messages})[digest]
    row |= {"status": PromptStatus.REVIEW, "flags": personal_data(messages)}
    while (prompt := queries.by_hash(session, project.id, digest, hold=True)) is None:  # or deleted in between
        queries.insert_new(session, [row])
    return prompt


def personal_data(messages: Messages) -> list[str]:
    """Kinds of personal data that the user's turns may contain; a hint for the reviewer, no more."""
    text = "\n".join(message["content"] for message in messages if message["role"] == "user")
    return [kind for kind, pattern in _PERSONAL.items() if pattern.search(text)]


def review(session: Session, project: Project, actor: User, prompt_ids: Sequence[int], admit: bool) -> int:
    """Admit prompts from chat to the loop, or refuse them; how many were decided. Decided ones can be decided anew."""
    new = PromptStatus.ACTIVE if admit else PromptStatus.REFUSED
    old = [PromptStatus.REVIEW, PromptStatus.REFUSED if admit else PromptStatus.REVIEW]
    moved = queries.set_status(session, project.id, prompt_ids, old, new)
    if moved:
        action = "prompts.admitted" if admit else "prompts.refused"
        audit.record(session, actor, action, project_id=project.id, prompts=moved[:1000], count=len(moved))
    return len(moved)


def restore(session: Session, project: Project, actor: User, prompt_id: int) -> Prompt:
    """Take a withdrawn prompt back into the loop. Its pairs stay withdrawn; new ones will be sampled."""
    prompt = get(session, project, prompt_id)
    if not queries.set_status(session, project.id, [prompt_id], [PromptStatus.WITHDRAWN], PromptStatus.ACTIVE):
        raise Conflict("Only a withdrawn prompt can be restored.")
    audit.record(session, actor, "prompt.restored", project_id=project.id, subject=prompt)
    return prompt


def restore_all(session: Session, project: Project, actor: User, prompt_ids: Sequence[int]) -> int:
    """The same for many, those that are withdrawn; how many."""
    moved = queries.set_status(session, project.id, prompt_ids, [PromptStatus.WITHDRAWN], PromptStatus.ACTIVE)
    if moved:
        audit.record(session, actor, "prompts.restored", project_id=project.id, prompts=moved[:1000], count=len(moved))
    return len(moved)


def get(session: Session, project: Project, prompt_id: int) -> Prompt:
    """The prompt, or NotFound."""
    prompt = queries.get(session, project.id, prompt_id)
    if prompt is None:
        raise NotFound("This prompt does not exist.")
    return prompt


def _read(rows: bytes | str | Sequence[Any], layout: Layout) -> Found:
    if not isinstance(rows, bytes | str):
        return read_entries(rows, MAX_PROMPTS)
    if len(rows) > MAX_FILE:
        raise TooLarge(f"The file is larger than {MAX_FILE // 2**20} MB. Split it and import the parts.", "file")
    return read(rows, layout, MAX_PROMPTS)


def _row(project: Project, messages: Messages, digest: str, source: PromptSource, actor: User | None) -> dict[str, Any]:
    return {
        "project_id": project.id,
        "messages": messages,
        "content_hash": digest,
        "source": source,
        "status": PromptStatus.ACTIVE,
        "flags": [],
        "created_by_id": actor.id if actor else None,
    }
