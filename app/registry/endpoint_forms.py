"""What an administrator may send about an endpoint."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.input import MOST, ONE_LINE, Input
from app.web.names import Name

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), ONE_LINE]
KeyName = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Price = Annotated[float, Field(ge=0, le=1_000_000)]


class EndpointLimits(Input):
    """What may be changed about an endpoint: where a request goes and what it may cost, not which model answers."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(title="Name", description="What managers see; annotators never do")
    base_url: Line = Field(title="Base URL", description="Up to /v1, before /chat/completions")
    key_name: KeyName | None = Field(
        None, title="Key", description="Its name in the list of keys; blank where the API asks for none"
    )
    requests_per_minute: int = Field(60, ge=1, le=100_000, title="Requests per minute", description="Over all runs")
    at_once: int = Field(4, ge=1, le=64, title="Requests at once", description="By one run")
    token_limit: int | None = Field(
        1_000_000,
        ge=1,
        le=MOST,
        title="Spending limit in tokens",
        description="Of prompts and answers together, in all; raise it to go on. Blank: no limit",
    )
    price_in: Price | None = Field(None, title="Price of a million prompt tokens", description="Only shown")
    price_out: Price | None = Field(None, title="Price of a million answer tokens", description="Only shown")


class EndpointForm(EndpointLimits):
    """A new endpoint."""

    served_name: Line = Field(title="Model", description="As the API names it")


class EndpointChange(EndpointLimits):
    """Changes of an endpoint; what is left out stays."""

    name: Name | None = None  # type: ignore[assignment]
    base_url: Line | None = None  # type: ignore[assignment]

    @model_validator(mode="after")
    def _says_something(self) -> "EndpointChange":
        if not self.model_fields_set:
            raise ValueError("Say what is to change.")
        for needed in ("name", "base_url", "requests_per_minute", "at_once"):
            if needed in self.model_fields_set and getattr(self, needed) is None:
                raise ValueError(f"{needed} is needed.")
        return self
