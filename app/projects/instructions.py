"""Versions of what a project's people are told and asked: its guidelines, and what goes with a label.

A version is made when its content is new. The same content again is the version that it was, so that all labels given
under the same words name the same one; when it held is in the audit trail.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.annotation import KINDS
from app.models import Asked, Instructions, Project
from app.models.project_settings import LabelSettings
from app.web.difference import Piece, difference
from app.web.errors import Invalid, NotFound
from app.web.pages import Page, page


def asked_of(settings: LabelSettings) -> Asked:
    """What of the settings is asked. How often each kind comes is left out."""
    kinds = {name: settings.kinds[name].model_dump(mode="json", exclude={"share"}) for name in settings.asked}
    return Asked(
        questions=[{"id": each.id, "text": each.text} for each in settings.questions],
        reasons=[{"id": each.id, "text": each.text} for each in settings.reasons],
        comment=settings.comment,
        kinds=kinds,
    )


def publish(session: Session, project: Project) -> None:
    """Have what the project tells and asks now be its present version. Of two that change it at once, the second waits
    for the first, and its version has both changes."""
    session.flush()
    session.refresh(project, ["guidelines", "answer"], with_for_update={"key_share": True})
    asked = asked_of(project.answer)
    content_hash = sha256(json.dumps([project.guidelines, asked], sort_keys=True).encode()).hexdigest()
    own = Instructions.project_id == project.id
    found = session.scalar(select(Instructions).where(own, Instructions.content_hash == content_hash))
    if found is None:
        last = session.scalar(select(func.max(Instructions.number)).where(own)) or 0
        found = Instructions(
            project_id=project.id,
            number=last + 1,
            content_hash=content_hash,
            guidelines=project.guidelines,
            asked=asked,
        )
        session.add(found)
    project.instructions = found
    session.flush()


def seen(session: Session, project: Project, number: int | None) -> int | None:
    """The id of the version that a person had before them by its number; of the present one where they do not say."""
    if number is None:
        return project.instructions_id
    found = session.scalar(
        select(Instructions.id).where(Instructions.project_id == project.id, Instructions.number == number)
    )
    if found is None:
        raise Invalid(f"This project has no version {number} of its guidelines and questions.", "instructions")
    return found


def get(session: Session, project: Project, number: int) -> Instructions:
    """A version by its number, or NotFound."""
    found = session.scalar(
        select(Instructions).where(Instructions.project_id == project.id, Instructions.number == number)
    )
    if found is None:
        raise NotFound("There is no such version of the guidelines and questions.")
    return found


def listing(session: Session, project: Project, before: int | None, limit: int = 50) -> Page[Instructions]:
    """All versions, the newest first."""
    statement = select(Instructions).where(Instructions.project_id == project.id)
    return page(session, statement, Instructions.number, before, limit)


@dataclass(frozen=True)
class Changes:
    """What one version changed: the guidelines word by word, None where they stayed; and in what is asked, by name,
    what it was and what it became, where one of them may be nothing."""

    guidelines: list[Piece] | None
    asked: list[tuple[str, str, str]]


def changes(before: Instructions, after: Instructions) -> Changes:
    """From one version to another."""
    same = before.guidelines == after.guidelines
    was, now = lines(before.asked), lines(after.asked)
    asked = [(name, was.get(id_, ("", ""))[1], text) for id_, (name, text) in now.items() if was.get(id_) != now[id_]]
    gone = [(name, text, "") for id_, (name, text) in was.items() if id_ not in now]
    return Changes(None if same else difference(before.guidelines, after.guidelines), asked + gone)


def lines(asked: Asked) -> dict[str, tuple[str, str]]:
    """What was asked, in lines: a key that stays when the words change -> a name, and what it was."""
    found = {f"question {each['id']}": ("Question", each["text"]) for each in asked["questions"]}
    found |= {f"reason {each['id']}": ("Reason", each["text"]) for each in asked["reasons"]}
    found["comment"] = ("Comment", _COMMENT.get(asked["comment"], asked["comment"]))
    for name, settings in asked["kinds"].items():
        found |= {f"{name}.{each}": line for each, line in _kind_lines(name, settings).items()}
    return found


_COMMENT = {"off": "not asked for", "optional": "optional", "required": "required"}


def _kind_lines(name: str, settings: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """A kind that is not known here any more is told by the names of its settings."""
    kind = KINDS.get(name)
    known = kind.settings.model_json_schema()["properties"] if kind else {}
    title = kind.title if kind else name
    found = {}
    for each, value in settings.items():
        field = known.get(each, {})
        words = dict(zip(map(str, field.get("enum", ())), field.get("words", ()), strict=False))
        plain = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        found[each] = (f"{title}: {field.get('title', each)}", words.get(str(value), plain))
    return found
