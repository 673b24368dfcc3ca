"""A project's quotas in the JSON API, and what the page of its settings shows of them."""

from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from app.projects.dependencies import Manager, ManagingAdmin
from app.quotas import service
from app.quotas.forms import QuotaChange, QuotaForm
from app.web.dependencies import Db
from app.web.routing import Router
from app.web.views import View

router = Router(tags=["projects"])


class UseView(View):
    """One quota. `limit` is null where there is none, `used` where it was not measured yet; storage in bytes."""

    name: str
    title: str
    used: int | None
    limit: int | None
    share: float = Field(description="Of the limit; 0 without one")


class QuotasView(View):
    """A project's quotas, and what its manager is to be told: from 80 % of one on."""

    quotas: list[UseView]
    storage_measured_at: datetime | None
    notices: list[str]


@router.get("/projects/{project_id}/quotas")
def show_quotas(session: Db, access: Manager) -> QuotasView:
    """What the project may use, and what it has used. For its managers."""
    return _view(session, access.project.id)


@router.patch("/projects/{project_id}/quotas")
def change_quotas(session: Db, access: ManagingAdmin, body: QuotaChange) -> QuotasView:
    """Set quotas. For administrators."""
    service.change(session, access.project, access.user, body)
    return _view(session, access.project.id)


def _view(session: Session, project_id: int) -> QuotasView:
    return QuotasView(
        quotas=[UseView.model_validate(use) for use in service.uses(session, project_id)],
        storage_measured_at=service.of(session, project_id).storage_measured_at,
        notices=[use.sentence for use in service.notices(session, project_id)],
    )


def shown(session: Session, project_id: int) -> dict[str, Any]:
    """What the page of settings shows."""
    quota = service.of(session, project_id)
    gigabytes = None if quota.storage_bytes is None else quota.storage_bytes / 1_000_000_000
    limits = {name: getattr(quota, name) for name in ("runs_at_once", "runs_per_day", "tokens")}
    return {
        "uses": service.uses(session, project_id),
        "measured_at": quota.storage_measured_at,
        "filled": QuotaForm(storage_gb=gigabytes, **limits),
    }
