"""The SQL of the registry."""

from collections.abc import Sequence

from sqlalchemy import Select, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import FOLDER, Model, ModelKind, ModelState


def base_model(session: Session, source: str, name: str) -> tuple[Model, bool]:
    """The base model of a source, and whether it was added now. Two callers at once get the same row."""
    only_base = text(f"kind = '{ModelKind.BASE.value}'")  # no parameter: a plan for any kind knows no such index
    added = session.scalar(
        insert(Model)
        .values(kind=ModelKind.BASE, name=name, source=source, state=ModelState.PREPARING)
        .on_conflict_do_nothing(index_elements=["source"], index_where=only_base)
        .returning(Model)
    )
    if added is not None:
        return added, True
    return session.scalars(select(Model).where(Model.kind == ModelKind.BASE, Model.source == source)).one(), False


def offered(session: Session) -> list[Model]:
    """Base models that administrators have named, but for those that could not be prepared or were retired."""
    wanted = (
        Model.kind == ModelKind.BASE,
        Model.answers_from == FOLDER,
        Model.offered,
        Model.state.not_in([ModelState.FAILED, ModelState.ARCHIVED]),
    )
    return list(session.scalars(select(Model).where(*wanted).order_by(Model.name, Model.id)))


def models_of(project_id: int, kind: ModelKind) -> Select[Model]:
    """The project's models of a kind, in any state."""
    return select(Model).where(Model.project_id == project_id, Model.kind == kind)


def newest(session: Session, project_id: int, kind: ModelKind, limit: int = 200) -> list[Model]:
    """The project's newest models of a kind, in any state, the newest first."""
    return list(session.scalars(models_of(project_id, kind).order_by(Model.id.desc()).limit(limit)))


def ready(session: Session, project_id: int, kind: ModelKind, limit: int = 100) -> list[Model]:
    """The project's ready models of a kind, the newest first."""
    found = models_of(project_id, kind).where(Model.state == ModelState.READY)
    return list(session.scalars(found.order_by(Model.id.desc()).limit(limit)))


def newest_of_each(session: Session, project_id: int) -> Sequence[Model]:
    """The project's newest ready model of each kind."""
    newest = select(func.max(Model.id)).where(Model.project_id == project_id, Model.state == ModelState.READY)
    return session.scalars(select(Model).where(Model.id.in_(newest.group_by(Model.kind)))).all()


def model_of_run(session: Session, run_id: int, kind: ModelKind) -> Model | None:
    """What a run registered, if anything."""
    return session.scalar(select(Model).where(Model.run_id == run_id, Model.kind == kind))


def lineage(session: Session, model_id: int) -> list[Model]:
    """Ancestors of a model, the oldest first, itself last."""
    chain = select(Model.id, Model.parent_id, literal(0).label("depth")).where(Model.id == model_id).cte(recursive=True)
    older = select(Model.id, Model.parent_id, chain.c.depth + 1).join(chain, Model.id == chain.c.parent_id)
    chain = chain.union_all(older)
    return list(session.scalars(select(Model).join(chain, Model.id == chain.c.id).order_by(chain.c.depth.desc())))
