"""What a client may ask of the list of runs."""

from typing import Annotated, Literal

from pydantic import Field

from app.input import Chosen, Input
from app.models import RunKind, RunState
from app.projects.bulk import BulkBody
from app.runs.table import RUNS
from app.web.pages import Paging


class RunConditions(Input):
    """Which runs are meant."""

    kind: Chosen[RunKind] = None
    method: Chosen[Annotated[str, Field(max_length=64)]] = None
    state: Chosen[RunState] = None


class RunFilter(RunConditions, Paging):
    """Which runs to list."""

    sort: Annotated[str, RUNS.ordered] = RUNS.order


class RunsBulk(BulkBody, RunConditions):
    """What is to be done to which runs."""

    action: Literal["cancel", "resume", "delete"]
