"""Settings that say everything about themselves: a dataclass with type, default, bounds and help of each field.

    @dataclass(frozen=True, kw_only=True)
    class TrainConfig(Settings):
        \"""Trains something.\"""

        rules = (Rule("warmup", at_most="steps", message="The warm-up cannot be longer than the training."),)

        data: Annotated[str, Doc("Rows to learn from.", group="local")]
        steps: Annotated[int, Ge(1), Le(1000), Doc("Steps to train.", unit="steps", group="main")] = 100
        warmup: Annotated[int, Ge(0), Le(1000), Doc("Steps in which the rate rises.", "Warm-up", "steps")] = 0

The command line (`rlhf.config`) and the JSON schema (`rlhf.schema`) are read from there, and so is what is checked, so
that nothing is written twice. This module knows no file, no command line and no torch.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

MOST = 2**63 - 1  # what torch's whole numbers hold; no setting comes near it

Group = Literal["local", "main", "advanced"]
Kind = Literal["integer", "number", "boolean", "string", "array"]


@dataclass(frozen=True, slots=True)
class Doc:
    """What people read about a setting.

    help: one sentence. title: its name for people; without one, the name of the field in words. unit: of a number.
    group: "local" for what names files and devices of one machine or is about one start, "main" for what most people
    set, "advanced" for the rest. may_change: a run may be resumed with another value. choices: what each value of a
    choice is called, in their order.
    """

    help: str
    title: str = ""
    unit: str = ""
    group: Group = "advanced"
    may_change: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that spans two settings: `field` must be `at_most` another one, or `needs` another one to be set.

    A number that is None is never too large. Set means neither None nor False nor empty.
    """

    field: str
    message: str  # a whole sentence
    at_most: str | None = None
    needs: str | None = None

    def broken(self, values: Mapping[str, Any]) -> bool:
        value = values[self.field]
        if self.at_most is not None:
            limit = values[self.at_most]
            return value is not None and limit is not None and value > limit
        return self.needs is not None and bool(value) and not values[self.needs]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of settings; raises ValueError where a rule is broken."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    def __post_init__(self) -> None:
        for rule in self.rules:
            if rule.broken(vars(self)):
                raise ValueError(f"--{rule.field}: {rule.message}")


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a settings dataclass, looked through."""

    name: str
    kind: Kind
    optional: bool  # None is allowed
    choices: tuple[str, ...]
    required: bool
    default: Any
    doc: Doc
    bounds: tuple[Ge | Gt | Le | Lt, ...]

    @property
    def title(self) -> str:
        return self.doc.title or self.name.replace("_", " ").capitalize()


def settings_of(cls: type) -> list[Setting]:
    """The fields of a settings dataclass, those of its most basic class last. Raises TypeError for other types."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    parts = [[name for name in inspect.get_annotations(part) if name in fields] for part in cls.__mro__]
    *special, basic = [part for part in parts if part]
    names = dict.fromkeys(name for part in [*reversed(special), basic] for name in part)
    return [_setting(fields[name], hints[name]) for name in names]


def _setting(field: "dataclasses.Field[Any]", hint: Any) -> Setting:
    metadata = getattr(hint, "__metadata__", ())
    kind, optional = _plain_type(hint)
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    return Setting(
        name=field.name,
        kind=_kind(field.name, kind),
        optional=optional,
        choices=typing.get_args(kind) if typing.get_origin(kind) is Literal else (),
        required=required,
        default=None if required else default,
        doc=next((item for item in metadata if isinstance(item, Doc)), Doc("")),
        bounds=tuple(item for item in metadata if isinstance(item, Ge | Gt | Le | Lt)),
    )


def _plain_type(hint: Any) -> tuple[Any, bool]:
    """The type inside Annotated and Optional, and whether None is allowed."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return _plain_type(choices[0])[0], True
    return hint, False


def _kind(name: str, kind: Any) -> Kind:
    kinds: dict[Any, Kind] = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
    if typing.get_origin(kind) is Literal:
        return "string"
    if typing.get_origin(kind) in (list, tuple) and typing.get_args(kind)[:1] == (str,):
        return "array"
    if kind not in kinds:
        raise TypeError(f"{name}: a setting is a number, a text, a path, a choice, true or false, or a list of texts")
    return kinds[kind]
