"""What can be done to many models of a project at once, each as if it were alone."""

from sqlalchemy.orm import Session

from app.catalog import queries, service
from app.catalog.forms import ModelConditions
from app.catalog.table import MODELS
from app.models import Project, User
from app.projects.bulk import Bulk, one_by_one


def _retire(session: Session, project: Project, actor: User, model_id: int) -> None:
    model = service.get(session, project, model_id)
    service.require_own(model, actor)
    service.retire(session, actor, model)


BULK_MODELS = Bulk(MODELS, ModelConditions, queries.of_project, {"retire": one_by_one(_retire)}, batch=200)
