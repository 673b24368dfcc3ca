"""Is it well? For whoever watches over the processes: a word for everybody, the details for administrators.

`/livez` this process answers; `/readyz` it has what it needs to serve people; `/healthz` every part is well.
"""

from fastapi import Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse

from app.accounts import queries
from app.accounts.dependencies import recognise
from app.web import health
from app.web.dependencies import Db
from app.web.errors import Refused
from app.web.guard import public
from app.web.routing import Router

router = Router(dependencies=[Depends(public)])


@router.get("/livez")
async def livez() -> JSONResponse:
    """This process answers. It asks nothing of any other."""
    return _word(True, "alive", "")


@router.get("/readyz")
def readyz() -> JSONResponse:
    """Whether this process can serve people: the database answers, with the schema that this code expects."""
    return _word(health.ready(), "ready", "not ready")


@router.get("/healthz")
def healthz(request: Request, session: Db) -> JSONResponse:
    """Whether every part is well, this process or not; an administrator is told about each."""
    parts = health.recent()
    well = all(part.ok for part in parts.values())
    if parts["database"].ok and _is_administrator(request, session):
        return JSONResponse(health.report(parts), 200 if well else 503)
    return _word(well, "ok", "degraded")


def _word(well: bool, yes: str, no: str) -> JSONResponse:
    return JSONResponse({"status": yes if well else no}, 200 if well else 503)


def _is_administrator(request: Request, session: Session) -> bool:
    try:
        row = recognise(request, session, queries.USER_BY)
    except Refused:  # whose token no longer holds still wants to know how we are
        return False
    return row is not None and row[0].is_admin
