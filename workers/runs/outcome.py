"""What a finished run hands back."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.models import Run
from app.models.documents import RunSummary


@dataclass(frozen=True)
class Outcome:
    """`record` writes what the run made (a model, say) in the same transaction that ends the run; `tidy` deletes what
    nobody needs after that."""

    summary: RunSummary
    record: Callable[[Session, Run], object] = lambda session, run: None
    tidy: Callable[[], object] = lambda: None
