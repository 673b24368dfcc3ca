"""What the calls about flags respond with."""

from datetime import datetime

from app.models import Flag
from app.web.views import View


class FlagMessageView(View):
    """One message of a thread."""

    author_id: int
    author: str
    text: str
    created_at: datetime


class FlagView(View):
    """A question about an item, with its thread, the oldest message first. `closed_at` is null while it is open."""

    id: int
    item_id: int
    person_id: int
    person: str
    messages: list[FlagMessageView]
    closed_at: datetime | None
    created_at: datetime


def flag_view(flag: Flag) -> FlagView:
    """A flag with its thread."""
    messages = [
        FlagMessageView(author_id=each.author_id, author=each.author.name, text=each.text, created_at=each.created_at)
        for each in flag.messages
    ]
    return FlagView(
        id=flag.id,
        item_id=flag.item_id,
        person_id=flag.person_id,
        person=flag.person.name,
        messages=messages,
        closed_at=flag.closed_at,
        created_at=flag.created_at,
    )
