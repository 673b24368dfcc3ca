"""Which model a project starts from: chosen anew, or fetched again where that failed."""

from sqlalchemy.orm import Session

from app.models import Model, ModelState, Project, User
from app.policies import service as policies
from app.projects import service as projects
from app.runs import preparation


def change(session: Session, project: Project, actor: User, source: str) -> Model:
    """Have the project start from the base model of `source`. The one that it has is fetched again where that failed.

    Labels, snapshots, policies and reward models stay, and what is queued or running goes on with what it began with:
    only what is sampled and trained from now on comes from the new model. A promoted policy stays current. Raises
    Invalid where the source is not this person's to choose.
    """
    before = project.base_model
    model = preparation.choose(session, actor, source, known=before)
    if model.id != before.id:
        projects.change_base_model(session, project, actor, model)
        if project.policy is None:
            policies.refresh_pairs(session, project)
    return model


def said(model: Model, before: Model) -> str:
    """What a change has come to, in a sentence."""
    if model.state is not ModelState.READY:
        what = "is being fetched once more" if model.id == before.id else "is the base model once it is prepared"
        return f"{model.name} {what}; its run is in the list."
    return f"{model.name} is the base model{' already' if model.id == before.id else ' from now on'}."
