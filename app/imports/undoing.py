"""Taking out what an import has brought, a batch a transaction; done again, it goes on where it was.

What others have come to depend on stays: labels that a snapshot holds are only current no longer, and an item stays as
long as it has a label, a prompt as long as it has an item or a response.
"""

from collections import Counter
from collections.abc import Callable

from sqlalchemy.orm import Session

from app.imports import queries
from app.imports.storing import Watching, Writing
from app.items import imported as items
from app.labels import imported as labels
from app.models.documents import RunSummary
from app.prompts import imported as prompts

BATCH = 500


def take_out(writing: Writing, import_id: int, tell: Watching) -> RunSummary:
    """Delete an import's labels, items and prompts; how many of each went, and how many stay."""
    gone: Counter[str] = Counter()
    steps: tuple[tuple[str, Callable[[Session, int, int, int], tuple[int, int]]], ...] = (
        ("labels", labels.take_out),
        ("pairs", items.take_out),
        ("prompts", prompts.take_out),
    )
    for what, take in steps:
        after = 0
        while True:
            with writing() as (session, _):
                last, count = take(session, import_id, after, BATCH)
            gone[what] += count
            tell(sum(gone.values()), None, "records")
            if not last:
                break
            after = last
    with writing() as (session, _):
        stay = {what: count(session, import_id) for what, count in _LEFT}
        queries.forget(session, import_id)
        labels.forget_annotators(session, import_id)
    return {
        "labels": gone["labels"],
        "pairs": gone["pairs"],
        "prompts": gone["prompts"],
        "stay": {what: count for what, count in stay.items() if count},
    }


_LEFT: tuple[tuple[str, Callable[[Session, int], int]], ...] = (
    ("labels", labels.left),
    ("pairs", items.left),
    ("prompts", prompts.left),
)
