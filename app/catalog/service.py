"""The rules of models as people deal with them: which are registered from elsewhere, tried again, taken away and
retired. What a model is trained to by a run is registered by that run."""

from pathlib import Path

from sqlalchemy.orm import Session

from app.accounts import audit
from app.catalog import queries
from app.catalog.forms import BaseModelSource, RegisteredModel
from app.models import FOLDER, Model, ModelKind, ModelState, Project, User
from app.policies import queries as policy_queries
from app.registry import service as registry
from app.registry import sources
from app.registry.download import MEDIA_TYPE, Tar, file_name
from app.runs import preparation
from app.web.errors import Conflict, Invalid, NotAllowed, NotFound
from app.web.slots import SlottedDownload

FIELD = "source"


def register(session: Session, project: Project, actor: User, wanted: RegisteredModel) -> Model:
    """Fetch a policy or a reward model of elsewhere for a project; its run says how that went. For administrators.

    Raises Invalid where its source may not be used, or where the project has it.
    """
    kind = ModelKind(wanted.kind)
    source = _source(wanted.source)
    if kind is ModelKind.REWARD and sources.is_free(source) and not Path(source).is_dir():
        raise Invalid("This is a language model. A reward model comes from a folder or the hub.", FIELD)
    if (twin := queries.twin(session, project.id, kind, source)) is not None:
        raise Invalid(f"The project has this model already: {twin.name}.", FIELD)
    model = registry.add_registered(session, project, kind, source, wanted.name)
    audit.record(session, actor, "model.registered", project_id=project.id, subject=model, source=source)
    preparation.fetch(session, actor, model)
    return model


def register_base(session: Session, actor: User, wanted: BaseModelSource) -> Model:
    """Fetch a base model, and offer it to all projects. For administrators."""
    source = _source(wanted.source)
    return preparation.choose(session, actor, source)


def _source(text: str) -> str:
    """The source in the one form that is kept. What can be seen to be wrong with a folder is said at once."""
    source = sources.named(text, FIELD)
    folder = Path(source)
    if source.startswith("/") and not (folder / "config.json").is_file():
        raise Invalid("This folder holds no model: there is no config.json in it.", FIELD)
    if source.startswith("/") and not any(folder.glob("*.safetensors")):
        reason = "Others are not read: a pickle can run code when loaded."
        raise Invalid(f"This folder holds no weights as safetensors. {reason}", FIELD)
    return source


def retry(session: Session, actor: User, model: Model) -> Model:
    """Fetch a model again that could not be fetched."""
    if model.state is not ModelState.FAILED:
        raise Conflict(f"{model.name} is {model.state.value}: there is nothing to try again.")
    preparation.fetch(session, actor, model)
    return model


def retire(session: Session, actor: User, model: Model) -> Model:
    """Take a model out of all choices and delete its files. Its record stays, with what was made by it. Raises Conflict
    while somebody needs it."""
    session.refresh(model, with_for_update=True)  # a run that names it now waits until it is retired
    if reason := _needed(session, model):
        raise Conflict(reason)
    registry.archive(session, model)
    audit.record(session, actor, "model.archived", project_id=model.project_id, subject=model)
    return model


def _needed(session: Session, model: Model) -> str | None:
    if model.state is ModelState.ARCHIVED:
        return f"{model.name} is retired already."
    if names := queries.projects_of_base(session, [model.id]).get(model.id):
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"{model.name} is the base model of {', '.join(names[:3])}{more}. Choose another one there first."
    if project := queries.in_use(session, model.id):
        return f"{model.name} is the current policy of {project}. Promote another policy there first, or roll back."
    if project := queries.planned(session, model.id):
        return f"The sampling plan or the chat of {project} names {model.name}. Choose another model there first."
    if policy_queries.uses_of(session, model.id):
        return f"A run needs {model.name}. Wait for its end, or cancel it."
    return None


def get(session: Session, project: Project, model_id: int) -> Model:
    """A model of the project's, or its base model; NotFound for any other."""
    model = session.get(Model, model_id)
    if model is None or (model.project_id != project.id and model.id != project.base_model_id):
        raise NotFound("There is no such model in this project.")
    return model


def get_base(session: Session, model_id: int) -> Model:
    """A model of the store that belongs to no project."""
    model = session.get(Model, model_id)
    if model is None or model.project_id is not None or model.answers_from != FOLDER:
        raise NotFound("There is no such base model.")
    return model


def require_own(model: Model, actor: User) -> None:
    """Refuse people who are no administrators a change of a model that other projects may have too."""
    if model.project_id is None and not actor.is_admin:
        raise NotAllowed("Only an administrator may do this to a base model: other projects may have it too.")


def download(model: Model, user: User) -> SlottedDownload:
    """The model's Hugging Face folder as a tar file."""
    if not registry.may_download(model, user):
        raise NotAllowed("Only an administrator may download this base model: none has offered it to managers yet.")
    name = file_name(model.name)
    tar = Tar(registry.artifact_path(model), name)
    return SlottedDownload(lambda: iter(tar), MEDIA_TYPE, f"{name}.tar", tar.length)
