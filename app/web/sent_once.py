"""Forms of pages that are sent twice, by a double click or by Back and a second press: what they ask for is done once,
and the second gets the first one's answer.

Each page that is drawn has a key of its own, which its forms carry. The same form with the same values from the same
page is the same request. Scripts that send forms of a page that stays (htmx, chat) are left out: there the same values
may be meant a second time, and each of them sees to that itself. Knows no page.
"""

import json
import secrets
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import delete
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.models import IdempotencyKey
from app.web.errors import Conflict
from app.web.idempotency import Once, digest
from app.web.viewer import viewer_of

FIELD = "page_key"
LONGEST = 64  # characters of a key
_DONE = "This was carried out already, and not a second time. Load the page again to see it."


def new_key() -> str:
    """For the forms of one page."""
    return secrets.token_urlsafe(12)


class SentOnce(Once):
    """A form as a person's page sent it."""

    def before(self, session: Session) -> Response | None:
        """None for the first; for a second one the answer that the first got: where to go, and what is said there.
        Conflict where that was a page."""
        if self.add(session):
            return None
        known = session.get(IdempotencyKey, (self.user_id, self.key), populate_existing=True)
        if known is None or known.status != 303:
            raise Conflict(_DONE)
        headers = json.loads(known.body or "[]")
        response = Response(status_code=303)
        response.raw_headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return response

    def after(self, session: Session, response: Any) -> None:
        """Keep where the first was sent. What refused the form asks for it again, so nothing is kept of that."""
        status = getattr(response, "status_code", 202)  # of one that is still to come
        if status >= 400:
            session.execute(
                delete(IdempotencyKey).where(IdempotencyKey.user_id == self.user_id, IdempotencyKey.key == self.key)
            )
            return
        kept = [pair for pair in _headers(response) if pair[0] in ("location", "set-cookie")] if status == 303 else []
        self.note(session, status, json.dumps(kept))


def _headers(response: Response) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]


async def sent_once(request: Request) -> SentOnce | None:
    """The form as one to be carried out once. Comes after whoever says who is asking."""
    viewer, form = viewer_of(request), getattr(request.state, "submitted", {})
    key = form.get(FIELD)
    if viewer is None or not isinstance(key, str) or not 0 < len(key) <= LONGEST:
        return None
    if "hx-request" in request.headers or "text/event-stream" in request.headers.get("accept", ""):
        return None
    found = await digest(request)
    return SentOnce(viewer.id, f"page {found}", found)


FromPage = Annotated[SentOnce | None, Depends(sent_once)]
