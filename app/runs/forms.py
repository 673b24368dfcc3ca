"""What a client may ask of the list of runs."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from app.input import ONE_LINE, Chosen, Id, Input
from app.models import RunKind, RunState
from app.projects.bulk import BulkBody
from app.runs.table import RUNS
from app.web.pages import Paging

LONGEST_TAG = 40
Tag = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG), ONE_LINE]


def _apart(tags: Any) -> Any:
    """Tags as they are typed into one field: apart by commas. Each once, in their order."""
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return tags
    words = (" ".join(word.split()) for tag in tags for word in tag.split(","))
    found = list(dict.fromkeys(word for word in words if word))
    if any(len(word) > LONGEST_TAG for word in found):
        raise ValueError(f"A tag has at most {LONGEST_TAG} characters; commas set them apart.")
    return found


class RunWords(Input):
    """What a manager says about a run."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: Annotated[str, Field(max_length=120), ONE_LINE] = ""
    tags: Annotated[list[Tag], Field(max_length=12), BeforeValidator(_apart)] = Field(default_factory=list)
    note: Annotated[str, Field(max_length=4_000)] = ""


class Compared(Input):
    """Which runs to put beside each other, and by which of the columns to order them, with a minus the highest
    first."""

    run: Annotated[list[Id], Field(min_length=1, max_length=8)]
    sort: Annotated[str, Field(max_length=120)] = ""


class RunConditions(Input):
    """Which runs are meant. `search`: those with this in their names or notes, whatever the case of its letters."""

    tag: Chosen[Annotated[str, Field(max_length=LONGEST_TAG)]] = None
    search: Annotated[str, Field(max_length=200)] = ""
    kind: Chosen[RunKind] = None
    method: Chosen[Annotated[str, Field(max_length=64)]] = None
    state: Chosen[RunState] = None


class RunFilter(RunConditions, Paging):
    """Which runs to list."""

    sort: Annotated[str, RUNS.ordered] = RUNS.order


class RunsBulk(BulkBody, RunConditions):
    """What is to be done to which runs."""

    action: Literal["cancel", "resume", "delete"]
