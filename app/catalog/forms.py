"""What an administrator may send about models, and what anybody may ask of their lists."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.catalog.table import MODELS
from app.input import ONE_LINE, Chosen, Input
from app.models import ModelKind, ModelState
from app.projects.bulk import BulkBody
from app.web.names import Name
from app.web.pages import Paging

Source = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), ONE_LINE]


class BaseModelSource(Input):
    """A base model for all projects."""

    model_config = ConfigDict(extra="forbid")

    source: Source = Field(
        title="Where it comes from",
        description="The id of a model on the hub, or a folder on this server inside one of HONE_MODEL_FOLDERS",
    )


class RegisteredModel(BaseModelSource):
    """A policy or a reward model for one project."""

    kind: Literal["policy", "reward"] = Field(
        title="What it is", description="reward: a classifier with one label, which scores responses"
    )
    name: Name | None = Field(None, title="Name", description="Blank: as its folder or its hub id ends")


class ModelFilter(Paging):
    """Which models are asked for."""

    kind: Chosen[ModelKind] = None
    state: Chosen[ModelState] = None


class ModelConditions(Input):
    """Which models of a project are meant."""

    search: str = Field("", max_length=200, description="Only models with this in their name")
    kind: Chosen[ModelKind] = None
    state: Chosen[ModelState] = None


class ProjectModelFilter(ModelConditions, Paging):
    """Which models of a project to list."""

    answering: bool = Field(False, description="Those that a sampling plan, a blind evaluation or chat may name")
    sort: Annotated[str, MODELS.ordered] = MODELS.order


class ModelsBulk(BulkBody, ModelConditions):
    """What is to be done to which models."""

    action: Literal["retire"]
