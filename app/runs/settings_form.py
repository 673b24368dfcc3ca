"""A pydantic form of settings as fields that a template can draw: what each is called, what it takes, its value."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel


@dataclass(frozen=True)
class SettingField:
    """One input. `kind` is check, select or number."""

    name: str
    title: str
    help: str | None
    kind: str
    value: Any
    options: tuple[tuple[str, str], ...] = ()  # value and text
    attributes: tuple[tuple[str, str], ...] = ()
    required: bool = True


def fields(form: type[BaseModel], values: Mapping[str, Any], skip: Collection[str] = ()) -> dict[str, SettingField]:
    """The form's fields by name, filled with `values` or the defaults."""
    found = {}
    for name, info in form.model_fields.items():
        if name in skip:
            continue
        value = values.get(name, info.default)
        kind, attributes = "number", []
        options: tuple[tuple[str, str], ...] = ()
        if info.annotation is bool:
            kind = "check"
            value = value is True or (isinstance(value, str) and value not in ("", "false", "off", "0"))
        elif get_origin(info.annotation) is Literal:
            kind, options = "select", tuple((choice, choice) for choice in get_args(info.annotation))
        else:
            for bound in info.metadata:
                if isinstance(bound, (Ge, Gt)):
                    attributes.append(("min", str(bound.ge if isinstance(bound, Ge) else bound.gt)))
                elif isinstance(bound, (Le, Lt)):
                    attributes.append(("max", str(bound.le if isinstance(bound, Le) else bound.lt)))
            attributes.append(("step", "1" if int in (info.annotation, *get_args(info.annotation)) else "any"))
        found[name] = SettingField(
            name=name,
            title=info.title or name,
            help=info.description,
            kind=kind,
            value=value,
            options=options,
            attributes=tuple(attributes),
            required=NoneType not in get_args(info.annotation),
        )
    return found
