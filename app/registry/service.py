"""The registry of models: base models, policies and reward models, where each came from and where its files lie.

It knows no torch: a base model is prepared by a run, and a trained model is registered by the stage whose run made it.
"""

import shutil
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session

from app.accounts import audit
from app.models import FOLDER, NOWHERE, Model, ModelKind, ModelState, Project, Run, User
from app.models.documents import RunSummary
from app.quotas import service as quotas
from app.registry import inference, queries, sources
from app.settings import get_settings
from app.web.errors import Conflict, Invalid

_DOOMED = "hone.doomed_folders"


def base_model(session: Session, source: str) -> tuple[Model, bool]:
    """The base model of a source (`builtin:...`, `tiny:<seed>`, a folder or hub id), one row for all projects, and
    whether its files are still to be brought into the store: it is new, was retired, or could not be prepared."""
    source = source.strip()
    if not source or len(source) > 500:
        raise Invalid("Name a base model: builtin:…, tiny:<number>, a local folder, or a hub id.", field="base_model")
    model, fresh = queries.base_model(session, source, _short_name(source))
    gone = (ModelState.FAILED, ModelState.ARCHIVED)
    if model.state in gone:
        session.refresh(model, with_for_update=True)  # two callers at once try it again once
    return model, fresh or model.state in gone


def chosen(session: Session, user: User, source: str, known: Model | None = None) -> str:
    """The source of the base model that a person chooses for a project; without one the installation's default. Raises
    Invalid where it is not theirs to choose; `known` always is."""
    source = source.strip() or get_settings().base_model
    if sources.is_free(source) or (known is not None and source == known.source and not user.is_admin):
        return source
    if user.is_admin:
        return sources.named(source)
    if source not in [model.source for model in queries.offered(session)]:
        raise Invalid(sources.NOT_OFFERED, "base_model")
    return source


def offer(session: Session, user: User, model: Model) -> None:
    """Offer a base model that an administrator has named to managers from now on."""
    if user.is_admin and not model.offered and not sources.is_free(model.source or ""):
        model.offered = True
        audit.record(session, user, "base_model.offered", subject=model, source=model.source)


def offered(session: Session) -> list[Model]:
    """The base models that administrators have named, for the list to choose from."""
    return queries.offered(session)


def offer_elsewhere(session: Session, actor: User | None, name: str, answers_from: str) -> Model:
    """Offer a model that answers from a source of an extension to all projects; the source knows the rest."""
    model = Model(kind=ModelKind.BASE, name=name[:200], answers_from=answers_from, offered=True, state=ModelState.READY)
    session.add(model)
    audit.record(session, actor, "model.offered", subject=model, answers_from=answers_from)
    session.flush()
    return model


def may_download(model: Model, user: User) -> bool:
    """Whether somebody who may see this model may have its files. A base model that nobody was asked about, from before
    administrators had to be, is theirs alone."""
    known = model.kind is not ModelKind.BASE or model.offered or sources.is_free(model.source or "")
    return known or user.is_admin


def add_registered(session: Session, project: Project, kind: ModelKind, source: str, name: str | None) -> Model:
    """A project's own model that an administrator has named; its files are still to be fetched."""
    model = Model(
        project_id=project.id, kind=kind, name=name or _short_name(source), source=source, offered=True,
        state=ModelState.PREPARING,
    )  # fmt: skip
    session.add(model)
    session.flush()
    return model


def preparing(session: Session, model: Model) -> None:
    """A model's files are being brought into the store."""
    model.state, model.error = ModelState.PREPARING, None
    session.flush()


def prepared(session: Session, run: Run, artifact: str) -> Model:
    """A model's files are whole in the store, by this run."""
    model = run.model
    model.state, model.artifact, model.error, model.run_id = ModelState.READY, artifact, None, run.id
    session.flush()
    return model


def failed(session: Session, model: Model, error: str) -> None:
    """A model could not be prepared; `error` is a sentence for people."""
    model.state, model.error = ModelState.FAILED, error
    session.flush()


def register(
    session: Session,
    *,
    run: Run,
    kind: ModelKind,
    parent: Model,
    artifact: str,
    name: str,
    metrics: RunSummary,
) -> Model:
    """Record what a run made. Idempotent: the same run registers one model of a kind, whoever asks again."""
    known = queries.model_of_run(session, run.id, kind)
    if known is not None:
        return known
    model = Model(
        project_id=run.project_id,
        kind=kind,
        name=name[:200],
        parent_id=parent.id,
        run_id=run.id,
        artifact=artifact,
        state=ModelState.READY,
        metrics=metrics,
    )
    session.add(model)
    session.flush()
    return model


def artifact_path(model: Model) -> Path:
    """The model's Hugging Face folder. Refuses with a sentence where there is none, or where it is gone."""
    if model.answers_from != FOLDER:
        raise Conflict(f"{model.name} has no files here, which this needs. Choose a model of the store.")
    if model.artifact is None:
        reason = {
            ModelState.PREPARING: "its files are still being prepared",
            ModelState.FAILED: model.error or "its files could not be prepared",
            ModelState.ARCHIVED: "it was retired and its files were deleted",
        }.get(model.state, "it has no files")
        raise Conflict(f"{model.name} cannot be used: {reason}.")
    path = get_settings().store / model.artifact
    if not (path / "config.json").is_file():
        raise Conflict(f"The files of {model.name} are gone from the store ({model.artifact}); restore or retire it.")
    return path


def address(model: Model) -> str:
    """Where a command finds the model, as text. Refuses as `artifact_path` does."""
    return str(artifact_path(model).resolve())


def newest(session: Session, project_id: int, kind: ModelKind) -> Model | None:
    """The project's newest ready model of a kind."""
    return next(iter(queries.ready(session, project_id, kind, limit=1)), None)


def newest_of_each(session: Session, project_id: int) -> dict[ModelKind, Model]:
    """The project's newest ready model of each kind that it has, by one statement."""
    return {model.kind: model for model in queries.newest_of_each(session, project_id)}


def ready(session: Session, project_id: int, kind: ModelKind) -> list[Model]:
    """The project's ready models of a kind, the newest first."""
    return queries.ready(session, project_id, kind)


def require_ready(model: Model) -> None:
    """Refuse, with a sentence, a model that no run can start from now."""
    if model.state is ModelState.PREPARING:
        raise Conflict(f"The base model {model.name} is still being prepared. Try again in a minute.")
    artifact_path(model)


def require_usable(model: Model) -> None:
    """Refuse with a sentence unless the model can be asked now, wherever it answers from."""
    if model.kind is ModelKind.REWARD:
        raise Invalid(f"{model.name} is a reward model: it scores responses and gives none.")
    if model.answers_from == FOLDER:
        artifact_path(model)
    elif model.answers_from == NOWHERE:
        raise Conflict(f"{model.name} is only a name and answers nothing. Choose another model.")
    elif model.state is not ModelState.READY:
        raise Conflict(f"{model.name} was retired and is asked nothing more. Choose another model.")


def address_of(model: Model) -> str:
    """What the inference server calls the model. Refuses as `require_usable` does."""
    require_usable(model)
    return model.artifact or inference.elsewhere(model.id)


def is_usable(model: Model) -> bool:
    """Whether the model can be asked now, or loaded."""
    try:
        if model.kind is ModelKind.REWARD:
            artifact_path(model)
        else:
            require_usable(model)
    except Conflict:
        return False
    return model.state is ModelState.READY


def archive(session: Session, model: Model) -> None:
    """Keep the record of a model and delete its files."""
    if model.artifact is not None:
        delete_after_commit(session, get_settings().store / model.artifact)
    model.state, model.artifact = ModelState.ARCHIVED, None
    quotas.freed(session, model.project_id)
    session.flush()


def delete_after_commit(session: Session, folder: Path) -> None:
    """Delete a folder of the store once the outermost transaction has committed; nothing on a roll-back."""
    session.info.setdefault(_DOOMED, []).append(folder)


@event.listens_for(Session, "after_commit")
def _delete_doomed(session: Session) -> None:
    if session.in_nested_transaction():  # fires on a savepoint's release too
        return
    for folder in session.info.pop(_DOOMED, []):
        shutil.rmtree(folder, ignore_errors=True)


@event.listens_for(Session, "after_rollback")
def _spare_doomed(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.pop(_DOOMED, None)


def lineage(session: Session, model: Model) -> list[Model]:
    """The model's ancestors from the base model down, itself last."""
    return queries.lineage(session, model.id)


def _short_name(source: str) -> str:
    """`builtin:smollm2-135m-instruct` -> `smollm2-135m-instruct`; a path or hub id -> its last part."""
    if source.startswith("tiny:"):
        return source.replace(":", " ")
    return (source.removeprefix("builtin:").rstrip("/").rsplit("/", 1)[-1] or source)[:200]
