"""What a client may send to start a training on preferences, or to have a text scored."""

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from app.input import Input
from app.methods import MethodForm

Aggregation = Literal["mean", "weighted", "reliability"]
Share = Annotated[float, Field(ge=0, le=1)]


class PreferenceOptions(MethodForm):
    """What is asked for a training on preferences beside the settings of its command."""

    OPTIONS: ClassVar[tuple[str, ...]] = (
        "question", "aggregation", "strength", "weigh_pairs", "paused", "late", "surplus",
    )  # fmt: skip

    question: str = Field(
        "", max_length=80, title="Question", description="Whose choices it learns from; empty: the main one"
    )
    aggregation: Aggregation = Field(
        "weighted",
        title="Several labels of one pair",
        description="The average counts all raters alike, or each by how often others and attention checks confirm "
        "them. Dawid and Skene's model makes one probable answer of them, which blurs what people differ on.",
        json_schema_extra={"x-choices": ["Average", "Average, weighted by reliability", "Dawid and Skene's model"]},
    )
    strength: bool = Field(
        True,
        title="Learn from strength",
        description="A slight preference counts for less than a strong one, by how often other people confirm it",
    )
    weigh_pairs: bool = Field(
        True,
        title="Weigh by number of raters",
        description="A pair that several people judged weighs more; a ranking of K responses weighs as K - 1 pairs",
    )
    paused: Share = Field(0.0, title="Labels of paused people", description="0 leaves them out, 1 counts them in full.")
    late: Share = Field(
        1.0, title="Late labels", description="Given after the time for the item was over. 0 leaves them out."
    )
    surplus: Share = Field(
        1.0, title="Surplus labels", description="Late ones beyond the labels that an item asks for. 0 leaves them out."
    )


class ScoreForm(Input):
    """A text to be scored by a reward model."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=20_000)
    response: str = Field(min_length=1, max_length=20_000)
