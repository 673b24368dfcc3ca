"""On which side a new prompt is: on that of the prompts that begin like it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.models import Messages, Split
from app.prompts import queries, twins
from app.prompts.reading import first_words, split_key, split_of


def assigned(session: Session, project_id: int, prompts: Mapping[str, Messages]) -> dict[str, dict[str, Any]]:
    """By the same names, the columns that say it.

    What the project has already stays where it is, and decides for what begins alike, and after that for what begins
    nearly alike; else a hash does, also of what begins as a template of which there are many. Prompts that come
    together count in their order.
    """
    keys = {name: split_key(messages) for name, messages in prompts.items()}
    near = {name: twins.keys(first_words(messages)) for name, messages in prompts.items()}
    sides = queries.sides(session, project_id, sorted(set(keys.values())))
    known = queries.twins(session, project_id, sorted({key for each in near.values() for key in each}))
    found = {}
    for name, key in keys.items():
        shared = [known[each] for each in near[name] if each in known]
        free = [each for each in near[name] if each not in known or known[each].prompts < twins.MOST_TWINS]
        nearly = Counter(each.split for each in shared) if len(free) == len(near[name]) else Counter[Split]()
        split = sides.get(key) or (nearly.most_common(1)[0][0] if nearly else split_of(key))
        sides.setdefault(key, split)
        for each in free:
            known.setdefault(each, queries.Twins(split)).prompts += 1
        found[name] = {"split_key": key, "twin_keys": free, "split": split}
    return found
