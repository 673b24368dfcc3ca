"""What administrators send about a project's quotas."""

from typing import Annotated

from pydantic import ConfigDict, Field

from app.input import Input

MOST = 2**53  # what a program in JavaScript can still count

Runs = Annotated[int | None, Field(ge=1, le=1_000_000)]


class QuotaChange(Input):
    """What to change; what is left out stays, null takes a limit away."""

    model_config = ConfigDict(extra="forbid")

    runs_at_once: Runs = Field(None, description="Runs of any kind that may be queued or running")
    runs_per_day: Runs = Field(None, description="Runs that may begin in any 24 hours")
    storage_bytes: Annotated[int | None, Field(ge=1, le=MOST)] = Field(
        None, description="Bytes of the files of its runs, models and imports"
    )
    tokens: Annotated[int | None, Field(ge=1, le=MOST)] = Field(
        None, description="Tokens of endpoints in all, prompts and responses together"
    )


class QuotaForm(Input):
    """The same as people write it: storage in GB; an empty field is no limit."""

    model_config = ConfigDict(extra="forbid")

    runs_at_once: Runs = None
    runs_per_day: Runs = None
    storage_gb: Annotated[float | None, Field(ge=0.001, le=MOST / 1e9)] = None
    tokens: Annotated[int | None, Field(ge=1, le=MOST)] = None

    def change(self) -> QuotaChange:
        """All limits."""
        given = self.model_dump(exclude={"storage_gb"})
        return QuotaChange(
            **given, storage_bytes=None if self.storage_gb is None else round(self.storage_gb * 1_000_000_000)
        )
