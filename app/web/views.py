"""What calls of the JSON API respond with. Knows no stage."""

from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from app.web.pages import Page


class View(BaseModel):
    """Base of all responses: made of a row, or of anything with attributes of the same names."""

    model_config = ConfigDict(from_attributes=True)


V = TypeVar("V", bound=BaseModel)


class Listing(View, Generic[V]):
    """A list. `before`, sent as a query parameter, asks for the rest; null: there is none."""

    items: list[V]
    before: int | None = None

    @classmethod
    def of(cls, found: Page[Any] | Sequence[Any]) -> Self:
        """One page of a long list, or all of a short one."""
        return cls.model_validate(found if isinstance(found, Page) else Page(found, None))

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        return f"{params[0].__name__.removesuffix('View')}List"


class Problem(BaseModel):
    """Why a call failed (RFC 9457): `detail` in a sentence, and in `errors` one for each field that is at fault."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: dict[str, str] | None = None
    request_id: str | None = None
