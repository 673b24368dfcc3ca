"""What one person has before them, and the SQL that reads it."""

from dataclasses import dataclass
from typing import Any

from app.models import Messages
from app.web.markdown import rendering

Place = tuple[int, float, int]
START: Place = (-1, 0.0, 0)
"""The place before the whole queue; a place is (level, rank, item id)."""


@dataclass(frozen=True)
class Displayed:
    """One response as it is displayed; `html` where it was kept and is not out of date."""

    text: str
    html: str | None
    finish_reason: str | None


@dataclass(frozen=True)
class Task:
    """What one person has before them: their lease and what it shows. `order` has the positions of the item's responses
    as they are displayed, `responses` the responses in that order."""

    id: int  # of the assignment
    item_id: int
    kind: str
    order: tuple[int, ...]
    state: str
    place: Place
    messages: Messages
    responses: tuple[Displayed, ...]
    prompt_html: list[str] | None  # of the messages, where it was kept and is not out of date

    @property
    def rendered(self) -> bool:
        """Whether all of its HTML was kept."""
        return self.prompt_html is not None and all(response.html is not None for response in self.responses)


SHOWN = f"""
select l.id, l.item_id, p.kind, l."order", l.state, p.level, p.rank, q.messages,
       case q.html_by when '{rendering()}' then q.html end as html_q, shown.responses
from {{leases}} l join item p on p.id = l.item_id join prompt q on q.id = p.prompt_id
cross join lateral (
    select json_agg(json_build_array(r.text, case r.html_by when '{rendering()}' then r.html end, r.finish_reason)
                    order by x.position) as responses
    from item_response x join response r on r.id = x.response_id where x.item_id = p.id and x.label_id is null
) shown
"""  # noqa: S608  fixed text


def task_in(row: Any) -> Task | None:
    """What a row of `SHOWN` says; None without a row, or where nothing was joined to it."""
    if row is None or row.id is None:
        return None
    stored = row.responses or []
    return Task(
        id=row.id,
        item_id=row.item_id,
        kind=row.kind,
        order=tuple(row.order),
        state=row.state,
        place=(row.level, row.rank, row.item_id),
        messages=row.messages,
        responses=tuple(Displayed(*stored[position]) for position in row.order),
        prompt_html=row.html_q,
    )
