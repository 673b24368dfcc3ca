"""What a label says, typed by the kind of its item. Knows no kind: each registers its own."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Dialect, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB


class LabelValue(BaseModel):
    """What was decided, in terms of what was shown. A kind of items adds its fields and names itself in `kind`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str


_VALUES: dict[str, type[LabelValue]] = {}


def register(value: type[LabelValue]) -> type[LabelValue]:
    """Have labels whose `kind` is the default of this class's read as it."""
    _VALUES[value.model_fields["kind"].default] = value
    return value


class LabelValueColumn(TypeDecorator[LabelValue]):
    """A `LabelValue` as JSONB."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: LabelValue | None, dialect: Dialect) -> dict[str, Any] | None:
        return None if value is None else value.model_dump(mode="json")

    def process_result_value(self, value: dict[str, Any] | None, dialect: Dialect) -> LabelValue | None:
        return None if value is None else _VALUES[value["kind"]].model_validate(value)
