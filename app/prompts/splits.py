"""On which side a new prompt is: on that of the prompts that begin like it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.models import Messages
from app.prompts import queries
from app.prompts.reading import split_key, split_of


def assigned(session: Session, project_id: int, prompts: Mapping[str, Messages]) -> dict[str, dict[str, Any]]:
    """By the same names, the columns that say it.

    What the project has already stays where it is, and decides for what begins alike; else a hash does.
    """
    keys = {name: split_key(messages) for name, messages in prompts.items()}
    known = queries.sides(session, project_id, sorted(set(keys.values())))
    return {name: {"split_key": key, "split": known.get(key) or split_of(key)} for name, key in keys.items()}
