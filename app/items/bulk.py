"""What can be done to many prompts or items at once. Prompts are here because items know them."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.orm import Session

from app.items import service
from app.items.forms import ItemConditions
from app.items.queries import found as found_items
from app.items.table import ITEMS
from app.models import Project, User
from app.projects.bulk import Act, Bulk, Outcome
from app.prompts import queries as prompt_queries
from app.prompts import service as prompts
from app.prompts.forms import PromptConditions
from app.prompts.table import PROMPTS


def _all_at_once(change: Callable[[Session, Project, User, Sequence[int]], int], otherwise: str) -> Act:
    """An act by one statement, which leaves out the rows that are not such that it applies: `otherwise` says why."""

    def act(session: Session, project: Project, actor: User, ids: Sequence[int]) -> Outcome:
        done = change(session, project, actor, ids)
        return Outcome(done, Counter({otherwise: len(ids) - done} if done < len(ids) else {}))

    return act


BULK_PROMPTS = Bulk(
    PROMPTS,
    PromptConditions,
    lambda project, wanted: prompt_queries.found(project.id, wanted),
    {
        "withdraw": _all_at_once(service.withdraw_prompts, "withdrawn before"),
        "restore": _all_at_once(prompts.restore_all, "not withdrawn"),
        "admit": _all_at_once(partial(prompts.review, admit=True), "not waiting for a review"),
        "reject": _all_at_once(partial(prompts.review, admit=False), "not waiting for a review"),
    },
    batch=2000,
)
BULK_ITEMS = Bulk(
    ITEMS,
    ItemConditions,
    lambda project, wanted: found_items(project.id, wanted),
    {
        "withdraw": _all_at_once(service.withdraw_items, "withdrawn before"),
        "again": _all_at_once(service.ask_done_again, "withdrawn, from a chat, or still waiting for a label"),
        "first": _all_at_once(service.put_first, "not waiting for a label, or first already"),
    },
)
