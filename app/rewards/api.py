"""Reward models in the JSON API."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from app.models import Model, ModelKind
from app.projects.dependencies import Manager
from app.registry import queries as registry
from app.registry.views import ModelView
from app.rewards import service, snapshot_checks
from app.rewards.forms import ScoreForm
from app.runs.api import RunView
from app.web.dependencies import Db, RowId
from app.web.pages import Paging, page
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["reward models"])


class LabelCounts(View):
    """Pairs to learn from and to measure on; `both_bad` labels are left out of both and counted before the first
    training only; `new`: labels since the last one. At least `least_train` and `least_holdout` are needed."""

    train: int
    holdout: int
    both_bad: int | None
    new: int
    least_train: int
    least_holdout: int


class DisputedAskedAgain(View):
    """The item that goes to one more person."""

    item_id: int


class SnapshotView(View):
    """Labels that were frozen to learn from: how many it holds, in how many pairs, and how many went with their person.
    `intact`: they give the hash that was written down; `sentence` says what that means."""

    id: int
    content_hash: str
    created_at: datetime
    label_count: int
    train_pair_count: int
    holdout_pair_count: int
    deleted_labels: int
    intact: bool
    sentence: str


@router.get("/projects/{project_id}/snapshots/{snapshot_id}")
def show_snapshot(session: Db, access: Manager, snapshot_id: RowId) -> SnapshotView:
    """A snapshot of labels, whose labels are read and compared with its hash."""
    found = service.snapshot_of(session, access.project, snapshot_id)
    checked = snapshot_checks.check(session, found)
    plain = ("id", "content_hash", "created_at", "label_count", "train_pair_count", "holdout_pair_count")
    return SnapshotView(
        **{name: getattr(found, name) for name in plain},
        deleted_labels=found.deleted["labels"] if found.deleted else 0,
        intact=checked.intact,
        sentence=checked.sentence,
    )


@router.get("/projects/{project_id}/rewards")
def list_rewards(session: Db, access: Manager, chosen: Annotated[Paging, Query()]) -> Listing[ModelView]:
    """The project's reward models, newest first. `metrics.report` compares a model with all labels."""
    found = page(
        session, registry.models_of(access.project.id, ModelKind.REWARD), Model.id, chosen.before, chosen.limit
    )
    return Listing[ModelView].of(found)


@router.get("/projects/{project_id}/rewards/labels")
def show_label_counts(session: Db, access: Manager) -> LabelCounts:
    """Usable pairs on either side as of the last training where there was one, and the labels since."""
    return LabelCounts(**service.label_counts(session, access.project))


@router.get("/projects/{project_id}/rewards/{model_id}")
def show_reward(session: Db, access: Manager, model_id: RowId) -> ModelView:
    """One reward model."""
    return ModelView.model_validate(service.get(session, access.project, model_id))


@router.post("/projects/{project_id}/rewards/{model_id}/scores", status_code=201)
def score_responses(session: Db, access: Manager, model_id: RowId) -> RunView:
    """Score the responses that came since, and measure the model again."""
    model = service.get(session, access.project, model_id)
    return RunView.model_validate(service.score_responses(session, model, access.user))


@router.post("/projects/{project_id}/rewards/{model_id}/score", status_code=201)
def score_text(session: Db, access: Manager, model_id: RowId, text: ScoreForm) -> RunView:
    """Score any response: the score is in `summary.scores` of the run once it has succeeded."""
    model = service.get(session, access.project, model_id)
    return RunView.model_validate(service.score_text(session, access.user, model, text.prompt, text.response))


@router.post("/projects/{project_id}/rewards/{model_id}/disputed/{item_id}")
def ask_disputed_again(session: Db, access: Manager, model_id: RowId, item_id: RowId) -> DisputedAskedAgain:
    """Send a disputed pair to one more person."""
    service.get(session, access.project, model_id)
    service.ask_again(session, access.project, access.user, item_id)
    return DisputedAskedAgain(item_id=item_id)
