"""Models from elsewhere: each is brought into the store by one run.

That of a base model belongs to no project. It is seen by the managers of the projects that have the model as their
base, who may resume it; cancelling and deleting it is for administrators, since others wait for the same model.
"""

from sqlalchemy.orm import Session

from app.models import Model, PreparationConfig, Project, User
from app.registry import service as registry
from app.runs import queries, queueing, service


def base_model(session: Session, source: str, actor: User | None = None) -> Model:
    """The base model of a source. Where its files are not in the store, a run is queued that brings them there; one
    that could not be prepared before is tried again."""
    model, wanted = registry.base_model(session, source)
    if wanted:
        fetch(session, actor, model)
    return model


def fetch(session: Session, actor: User | None, model: Model) -> None:
    """Have a run bring the model's files into the store, the one that could not before where there is one."""
    last = queries.preparation_of(session, model.id)
    if last is not None and last.state in queueing.RESUMABLE:
        service.resume(session, actor, last)
        return
    registry.preparing(session, model)
    project = session.get(Project, model.project_id) if model.project_id else None
    config = PreparationConfig(source=model.source or "")
    service.create(session, project, config, model=model, created_by=actor, automatic=actor is None)


def choose(session: Session, user: User, source: str, known: Model | None = None) -> Model:
    """The base model that a person chooses for a project; without a source the installation's default. Raises Invalid
    where it is not theirs to choose; `known`, which the project has already, always is. What an administrator names is
    offered to managers from then on."""
    model = base_model(session, registry.chosen(session, user, source, known), user)
    registry.offer(session, user, model)
    return model
