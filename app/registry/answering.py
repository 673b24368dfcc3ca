"""Which models may answer in a project: its own, and those behind endpoints that are offered to all."""

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from app.models import FOLDER, NOWHERE, Model, ModelKind, ModelState, Project
from app.web.errors import Invalid


def answering(project: Project) -> Select[Model]:
    """All of them that are ready."""
    own = (Model.project_id == project.id) & (Model.kind == ModelKind.POLICY)
    elsewhere = Model.answers_from.not_in([FOLDER, NOWHERE]) & Model.offered
    return select(Model).where(Model.state == ModelState.READY, or_(Model.id == project.base_model_id, own, elsewhere))


def choices(session: Session, project: Project) -> list[Model]:
    """The same in the order of a form: the base model, then its policies, the newest first, then endpoints by name."""
    found = list(session.scalars(answering(project)))
    theirs = sorted((model for model in found if model.answers_from != FOLDER), key=lambda model: model.name)
    ours = sorted((model for model in found if model.answers_from == FOLDER), key=lambda model: -model.id)
    base = [model for model in ours if model.id == project.base_model_id]
    return base + [model for model in ours if model.id != project.base_model_id] + theirs


def chosen(session: Session, project: Project, model_id: int, field: str) -> Model:
    """The model of this id, or Invalid where it may not answer here."""
    for model in choices(session, project):
        if model.id == model_id:
            return model
    raise Invalid("This model cannot be chosen here: it is not this project's, not ready, or not offered.", field)
