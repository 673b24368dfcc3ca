"""What every route needs: one transaction per request, the submitted form, ids that fit the database."""

from typing import Annotated, cast

from fastapi import Depends, Path, Request
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.db import get_session

Db = Annotated[Session, Depends(get_session, scope="function")]
"""A session that commits before the response leaves, and rolls back when the route raises."""

RowId = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""An id in a path; anything else answers 404."""


async def submitted_form(request: Request) -> FormData:
    """The fields of the request's form, read once and shared with the CSRF check, and with the page that says why they
    were refused."""
    request.state.submitted = await request.form()
    return cast(FormData, request.state.submitted)


Submitted = Annotated[FormData, Depends(submitted_form)]
