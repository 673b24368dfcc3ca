"""What a client may send about pairs."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.models import Purpose, Split
from app.prompts.forms import Chosen


class PairFilter(BaseModel):
    """Which pairs to list."""

    purpose: Chosen[Purpose] = None
    state: Chosen[Literal["open", "done", "withdrawn"]] = None
    split: Chosen[Split] = None
    prompt: Chosen[int] = None
    before: int | None = Field(None, ge=1, le=2**63 - 1)


class ChecksForm(BaseModel):
    """How many attention checks to make."""

    count: int = Field(10, ge=1, le=200)


class SampleForm(BaseModel):
    """How many prompts to sample answers for; none: as many as the queue lacks."""

    count: int | None = Field(None, ge=1, le=10_000)


class PairsBody(BaseModel):
    """Which pairs an API request is about."""

    model_config = ConfigDict(extra="forbid")

    pairs: list[int] = Field(min_length=1, max_length=10_000)


class PromptsBody(BaseModel):
    """Which prompts an API request is about."""

    model_config = ConfigDict(extra="forbid")

    prompts: list[int] = Field(min_length=1, max_length=10_000)
