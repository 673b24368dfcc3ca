"""What every form and JSON body is made of: numbers between two bounds, and text that can be written down.

A number that a person can send has a lower and an upper bound, or the class cannot be defined. What a sensible bound
is, the field says; those that several stages share are here. It knows no field by name.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")

MOST = 2**63 - 1  # what the database's whole numbers hold

Id = Annotated[int, Field(ge=1, le=MOST)]
Rater = Annotated[int, Field(ge=-MOST, le=MOST)]  # an account's number; below zero, an imported annotator's
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
LEAST_TEMPERATURE = 0.01
"""Logits are divided by it: from here down, single precision has no room for what comes out."""
Temperature = Annotated[float, Field(ge=LEAST_TEMPERATURE, le=5)]
TopP = Annotated[float, Field(ge=0.01, le=1)]
TopK = Annotated[int, Field(ge=0, le=100_000)]
LearningRate = Annotated[float, Field(ge=1e-9, le=0.1)]
T = TypeVar("T")
Chosen = Annotated[T | None, BeforeValidator(lambda value: value or None)]
"""A filter from a page's form, where an empty choice means any."""


def _line(value: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError("This may not contain line breaks or control characters.")
    return value


ONE_LINE = AfterValidator(_line)

CUT_LATER = "cut later"
"""Annotates a number that is brought within its bounds where it is used, since it is not worth a refusal."""


class Input(BaseModel):
    """Base of everything that a person or a program sends."""

    model_config = ConfigDict(allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        for name, field in cls.model_fields.items():
            if not _is_bounded(field):
                raise TypeError(f"{cls.__name__}.{name} takes numbers without a lower and an upper bound (ge, le)")

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name, value in values.items():
                if isinstance(value, bool) and (field := cls.model_fields.get(name)) and takes_numbers(field):
                    raise ValueError(f"{name} takes a number, not true or false.")
        return values


def takes_numbers(field: FieldInfo) -> bool:
    """Whether the field is a number, and no truth value."""
    kinds = set(_kinds(field.annotation))
    return bool(kinds & {int, float}) and bool not in kinds


def _is_bounded(field: FieldInfo) -> bool:
    return CUT_LATER in field.metadata or _bounded(field.annotation, field.metadata)


def _bounded(annotation: Any, metadata: Any) -> bool:
    for item in metadata:
        if isinstance(item, FieldInfo):
            metadata = [*metadata, *item.metadata]
    if annotation in (int, float):
        kinds = [type(item) for item in metadata]
        return not {Ge, Gt}.isdisjoint(kinds) and not {Le, Lt}.isdisjoint(kinds)
    if hasattr(annotation, "__metadata__"):
        return _bounded(annotation.__origin__, [*metadata, *annotation.__metadata__])
    inner = get_args(annotation)
    if type(None) in inner:  # optional: the bounds stand outside
        return all(_bounded(each, metadata) for each in inner)
    return all(_bounded(each, ()) for each in inner)


def _kinds(annotation: Any) -> Iterator[Any]:
    if hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    inner = get_args(annotation)
    if not inner or type(None) not in inner:
        yield annotation
        return
    for each in inner:
        yield from _kinds(each)


def unwritable(value: Any) -> str | None:
    """Where in a JSON value there is text that neither UTF-8 nor the database can hold, such as half of a surrogate
    pair: its place in words (`messages.0.content`), or None."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        place, each = waiting.pop()
        if isinstance(each, str):
            if _UNWRITABLE.search(each):
                return place or "body"
        elif isinstance(each, dict):
            for key, inner in each.items():
                waiting += [(place or "body", key), (f"{place}.{key}".lstrip("."), inner)]
        elif isinstance(each, list):
            waiting += [(f"{place}.{number}".lstrip("."), inner) for number, inner in enumerate(each)]
    return None


def may_be_unwritable(body: bytes) -> bool:
    """Whether a JSON body is worth a closer look: escapes, or other bytes than plain UTF-8 has."""
    return b"\\u" in body or b"\xed" in body or b"\x00" in body
