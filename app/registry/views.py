"""A model as the JSON API shows it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.models import ModelKind, ModelState


class ModelView(BaseModel):
    """A base model, policy or reward model. `answers_from` is folder, endpoint, or a source of an extension; `source`
    is where a model of the store came from that no run made; `artifact` is its name at the inference server."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    kind: ModelKind
    name: str
    state: ModelState
    project_id: int | None
    answers_from: str
    source: str | None
    parent_id: int | None
    run_id: int | None
    artifact: str | None
    error: str | None
    metrics: dict[str, Any]
    created_at: datetime
