"""What a project may set about demonstrations."""

from typing import Literal

from pydantic import Field

from app.models.kind_settings import KindSettings


class DemonstrationSettings(KindSettings):
    """What people begin from when they write a response."""

    start: Literal["improve", "write"] = Field(
        "improve",
        title="Begin from",
        description="An improved answer is also preferred to the one that it began as.",
        json_schema_extra={"words": ["A sampled answer, to improve", "Nothing: write the ideal answer"]},
    )
