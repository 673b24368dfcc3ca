"""Which models write the responses that people compare, and how: what is sent for it, and what its column holds."""

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from app.input import Id, Input, Temperature

MOST_SOURCES, MOST_RESPONSES = 4, 16


class PlannedSource(Input):
    """One model, or one more time the same with other settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_id: Id | None = Field(None, description="Null: the current policy")
    responses: int = Field(2, ge=1, le=8, description="To each prompt")
    strategy: Literal["mixed", "stochastic", "greedy"] | None = Field(None, description="Null: the project's")
    temperature: Temperature | None = Field(None, description="Null: the project's")


class SamplingPlan(Input):
    """Which models respond to each prompt, and which of their responses one item shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: list[PlannedSource] = Field(
        default_factory=lambda: [PlannedSource()], min_length=1, max_length=MOST_SOURCES
    )
    compare: Literal["across", "any"] = Field(
        "across", description="across: responses of different sources, where there are several; any: whichever"
    )
    chat_model_id: Id | None = Field(None, description="What chat answers with; null: the current policy")
    chat_temperature: Temperature = Field(
        0.7, description="Of answers in chat: below 1 they are more predictable than what is sampled for comparison"
    )

    def renamed(self, before: int, now: int) -> "SamplingPlan":
        """The same with one model in the place of another."""
        sources = [
            source.model_copy(update={"model_id": now}) if source.model_id == before else source
            for source in self.sources
        ]
        chat = now if self.chat_model_id == before else self.chat_model_id
        return self.model_copy(update={"sources": sources, "chat_model_id": chat})

    @model_validator(mode="after")
    def _enough(self) -> "SamplingPlan":
        total = sum(source.responses for source in self.sources)
        if not 2 <= total <= MOST_RESPONSES:
            raise ValueError(f"A plan gives between 2 and {MOST_RESPONSES} responses to a prompt, not {total}.")
        return self
