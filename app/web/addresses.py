"""Numbers that addresses carry: a page of a list, a row, a step of a run."""

from typing import Annotated

from fastapi import Query

from app.input import MOST

Before = Annotated[int | None, Query(ge=1, le=MOST, description="The key that the last page ended with")]
Named = Annotated[int | None, Query(ge=1, le=MOST)]
Step = Annotated[int, Query(ge=0, le=MOST)]
LastStep = Annotated[int | None, Query(ge=0, le=MOST, description="The last one where none is given")]
