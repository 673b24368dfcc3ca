"""Reward models in the JSON API."""

from typing import Any

from app.projects.dependencies import Manager
from app.registry.views import ModelView
from app.rewards import queries, service
from app.rewards.forms import RewardForm, ScoreForm
from app.runs.api import RunView
from app.web.dependencies import Db, RowId
from app.web.routing import Router

router = Router(tags=["reward models"])


@router.get("/projects/{project_id}/rewards")
def list_rewards(access: Manager, session: Db) -> list[ModelView]:
    """The project's reward models, the newest first. `metrics.report` compares a model with all labels."""
    return [ModelView.model_validate(model) for model in queries.models(session, access.project.id)]


@router.post("/projects/{project_id}/rewards", status_code=201)
def start_reward(access: Manager, session: Db, settings: RewardForm) -> RunView:
    """Train a reward model on the labels of this moment."""
    return RunView.model_validate(service.start(session, access.project, access.user, settings))


@router.get("/projects/{project_id}/rewards/labels")
def label_counts(access: Manager, session: Db) -> dict[str, int | None]:
    """Usable pairs on either side as of the last training where there was one, and the labels since."""
    return service.label_counts(session, access.project)


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
def ask_again(access: Manager, session: Db, model_id: RowId, item_id: RowId) -> dict[str, Any]:
    """Send a disputed pair to one more person."""
    service.get(session, access.project, model_id)
    service.ask_again(session, access.project, item_id, access.user)
    return {"item_id": item_id}
