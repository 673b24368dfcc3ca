"""The SQL of lists of models, and of who still needs one."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, String, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import Session

from app.catalog.forms import ModelConditions
from app.models import FOLDER, Model, ModelKind, ModelState, Project
from app.registry import answering
from app.web.tables import Found


def base_models(kind: ModelKind | None = None, state: ModelState | None = None) -> Select[Model]:
    """The models of the store that belong to no project."""
    found = select(Model).where(Model.project_id.is_(None), Model.answers_from == FOLDER)
    if kind is not None:
        found = found.where(Model.kind == kind)
    return found if state is None else found.where(Model.state == state)


def of_project(project: Project, wanted: ModelConditions, may_respond: bool = False) -> Found[Model]:
    """Of the project's models and its base model those that are meant; with `may_respond` of those that may be asked in
    it, endpoints too."""
    own = select(Model).where(or_(Model.project_id == project.id, Model.id == project.base_model_id))
    conditions: list[ColumnElement[bool]] = []
    if wanted.search:
        conditions.append(Model.name.icontains(wanted.search, autoescape=True))
    if wanted.kind is not None:
        conditions.append(Model.kind == wanted.kind)
    if wanted.state is not None:
        conditions.append(Model.state == wanted.state)
    return Found(answering.answering(project) if may_respond else own, conditions)


def twin(session: Session, project_id: int, kind: ModelKind, source: str) -> Model | None:
    """The project's model of this kind and source that is there or being fetched."""
    there = (ModelState.READY, ModelState.PREPARING)
    own = (Model.project_id == project_id, Model.kind == kind, Model.source == source, Model.state.in_(there))
    return session.scalar(select(Model).where(*own).limit(1))


def projects_of_base(session: Session, model_ids: Sequence[int]) -> dict[int, list[str]]:
    """The names of the projects that start from each of these models."""
    found: dict[int, list[str]] = {}
    named = select(Project.base_model_id, Project.name).where(
        Project.base_model_id.in_(model_ids), Project.goes_since.is_(None)
    )
    for model_id, name in session.execute(named.order_by(Project.id)):
        found.setdefault(model_id, []).append(name)
    return found


def in_use(session: Session, model_id: int) -> str | None:
    """The name of a project whose policy it is."""
    return session.scalar(select(Project.name).where(Project.policy_id == model_id).limit(1))


def planned(session: Session, model_id: int) -> str | None:
    """The name of a project whose sampling plan or chat names it."""
    path = f"$.sources[*] ? (@.model_id == {model_id:d})"
    named = func.jsonb_path_exists(Project.plan, cast(path, JSONPATH))
    chats = cast(Project.plan["chat_model_id"], String) == str(model_id)
    return session.scalar(select(Project.name).where(or_(named, chats), Project.goes_since.is_(None)).limit(1))
