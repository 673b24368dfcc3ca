"""What a label says, typed by the kind of its item. Knows no kind: `app.annotation` registers theirs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Dialect, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB


@dataclass(frozen=True)
class Said:
    """What a label says on one question, in words. `question` is empty for the main one."""

    question: str
    words: str


class LabelValue(BaseModel, ABC):
    """What was decided, in terms of what was shown. A kind of items adds its fields and names itself in `kind`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str

    @abstractmethod
    def said(self, name: Callable[[int], str]) -> Sequence[Said]:
        """The decision in words, the main question's first; `name` says what the response shown at a place, from 0 on,
        is called."""

    @property
    def seen(self) -> Sequence[Said]:
        """The same as its annotator saw it."""
        return self.said(lambda place: f"answer {place + 1}")


_VALUES: dict[str, type[LabelValue]] = {}


def register(value: type[LabelValue]) -> None:
    """Have labels whose `kind` is the default of this class's read as it."""
    _VALUES[value.model_fields["kind"].default] = value


class LabelValueColumn(TypeDecorator[LabelValue]):
    """A `LabelValue` as JSONB."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: LabelValue | None, dialect: Dialect) -> dict[str, Any] | None:
        return None if value is None else value.model_dump(mode="json")

    def process_result_value(self, value: dict[str, Any] | None, dialect: Dialect) -> LabelValue | None:
        return None if value is None else _VALUES[value["kind"]].model_validate(value)
