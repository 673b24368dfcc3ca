"""What a client may send to start a training on preferences, or to have a text scored."""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from app.input import Input
from app.methods import MethodForm

Aggregation = Literal["mean", "reliability"]


class PreferenceOptions(MethodForm):
    """What is asked for a training on preferences beside the settings of its command."""

    OPTIONS: ClassVar[tuple[str, ...]] = ("question", "aggregation")

    question: str = Field(
        "", max_length=80, title="Question", description="Whose choices it learns from; empty: the main one"
    )
    aggregation: Aggregation = Field(
        "mean",
        title="Several labels of one pair",
        description="The average counts all raters alike; reliability is how often others confirm a rater "
        "(Dawid and Skene).",
        json_schema_extra={"x-choices": ["Average", "Weighted by reliability"]},
    )


class ScoreForm(Input):
    """A text to be scored by a reward model."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=20_000)
    response: str = Field(min_length=1, max_length=20_000)
