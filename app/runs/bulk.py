"""What can be done to many runs at once, each as if it were alone."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.models import Project, Run, User
from app.projects.bulk import Act, Bulk, one_by_one
from app.runs import queries, service
from app.runs.forms import RunConditions
from app.runs.table import RUNS


def _each(change: Callable[[Session, User, Run], object]) -> Act:
    def one(session: Session, project: Project, actor: User, run_id: int) -> None:
        change(session, actor, service.get(session, project, run_id))

    return one_by_one(one)


BULK_RUNS = Bulk(
    RUNS,
    RunConditions,
    queries.runs_of,
    {"cancel": _each(service.request_cancel), "resume": _each(service.resume), "delete": _each(service.delete)},
    batch=200,
)
