"""Reward models in the JSON API."""

from pydantic import BaseModel

from app.projects.dependencies import Manager
from app.registry.views import ModelView
from app.rewards import queries, service
from app.rewards.forms import ScoreForm
from app.runs.api import RunView
from app.web.dependencies import Db, RowId
from app.web.routing import Router

router = Router(tags=["reward models"])


class LabelCounts(BaseModel):
    """Pairs to learn from and to measure on; `both_bad` labels are left out of both and counted before the first
    training only; `new`: labels since the last one. At least `least_train` and `least_holdout` are needed."""

    train: int
    holdout: int
    both_bad: int | None
    new: int
    least_train: int
    least_holdout: int


class AskedAgain(BaseModel):
    """The item that goes to one more person."""

    item_id: int


@router.get("/projects/{project_id}/rewards")
def list_rewards(access: Manager, session: Db) -> list[ModelView]:
    """The project's reward models, the newest first. `metrics.report` compares a model with all labels."""
    return [ModelView.model_validate(model) for model in queries.models(session, access.project.id)]


@router.get("/projects/{project_id}/rewards/labels")
def label_counts(access: Manager, session: Db) -> LabelCounts:
    """Usable pairs on either side as of the last training where there was one, and the labels since."""
    return LabelCounts(**service.label_counts(session, access.project))


@router.get("/projects/{project_id}/rewards/{model_id}")
def show_reward(access: Manager, session: Db, model_id: RowId) -> ModelView:
    """One reward model."""
    return ModelView.model_validate(service.get(session, access.project, model_id))


@router.post("/projects/{project_id}/rewards/{model_id}/scores", status_code=201)
def score_again(access: Manager, session: Db, model_id: RowId) -> RunView:
    """Score the answers that came since, and measure the model again."""
    model = service.get(session, access.project, model_id)
    return RunView.model_validate(service.score_answers(session, model, access.user))


@router.post("/projects/{project_id}/rewards/{model_id}/score", status_code=201)
def score_text(access: Manager, session: Db, model_id: RowId, text: ScoreForm) -> RunView:
    """Score any answer: the score is in `summary.scores` of the run once it has succeeded."""
    model = service.get(session, access.project, model_id)
    return RunView.model_validate(service.score_text(session, model, text.prompt, text.response, access.user))


@router.post("/projects/{project_id}/rewards/{model_id}/disputed/{item_id}")
def ask_again(access: Manager, session: Db, model_id: RowId, item_id: RowId) -> AskedAgain:
    """Send a disputed pair to one more person."""
    service.get(session, access.project, model_id)
    service.ask_again(session, access.project, item_id, access.user)
    return AskedAgain(item_id=item_id)
