"""The form of a method as fields that a template can draw: what each is called, what it takes, its value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from app.methods import MethodForm

Options = Sequence[tuple[Any, str]]


@dataclass(frozen=True)
class SettingField:
    """One input. `kind` is check, select, number or text."""

    name: str
    title: str
    help: str | None
    kind: str
    value: Any
    options: Options = ()  # value and text
    attributes: tuple[tuple[str, str], ...] = ()
    required: bool = True


@dataclass(frozen=True)
class SettingsForm:
    """The fields that most people set, and the others."""

    main: list[SettingField]
    advanced: list[SettingField]
    same_inputs: SettingField


def draw(form: type[MethodForm], values: Mapping[str, Any], choices: Mapping[str, Options]) -> SettingsForm:
    """The form's fields, filled with `values` or the defaults. `choices`: what may be chosen for a field; where there
    is nothing, the field is left out."""
    found = {name: _field(name, info, values, choices.get(name)) for name, info in form.model_fields.items()}
    shown = [name for name in found if name not in ("parent_id", "same_inputs") and choices.get(name, True)]
    main = [*form.OPTIONS, *(name for name in form.MAIN if name not in form.OPTIONS)]
    return SettingsForm(
        main=[found[name] for name in main if name in shown],
        advanced=[found[name] for name in shown if name not in main],
        same_inputs=found["same_inputs"],
    )


def _extra(info: FieldInfo) -> Mapping[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def title(name: str, info: FieldInfo) -> str:
    """The title, with the unit where it does not say that already: `Batch size (pairs)`."""
    called = info.title or name
    unit = str(_extra(info).get("x-unit", ""))
    return called if not unit or unit.lower() in called.lower() else f"{called} ({unit})"


def _field(name: str, info: FieldInfo, values: Mapping[str, Any], choices: Options | None) -> SettingField:
    value = values.get(name, info.default)
    kinds = get_args(info.annotation) if NoneType in get_args(info.annotation) else (info.annotation,)
    kind, options, attributes = "text", choices or (), []
    if choices is not None:
        kind = "select"
    elif info.annotation is bool:
        kind = "check"
        value = value is True or (isinstance(value, str) and value not in ("", "false", "off", "0"))
    elif any(get_origin(each) is Literal for each in kinds):
        kind = "select"
        values_of = [choice for each in kinds for choice in get_args(each)]
        options = list(zip(values_of, _extra(info).get("x-choices") or values_of, strict=True))
    elif int in kinds or float in kinds:
        kind = "number"
        for bound in info.metadata:
            if isinstance(bound, (Ge, Gt)):
                attributes.append(("min", str(bound.ge if isinstance(bound, Ge) else bound.gt)))
            elif isinstance(bound, (Le, Lt)):
                attributes.append(("max", str(bound.le if isinstance(bound, Le) else bound.lt)))
        attributes.append(("step", "1" if int in kinds else "any"))
    return SettingField(
        name=name,
        title=title(name, info),
        help=info.description,
        kind=kind,
        value=value,
        options=options,
        attributes=tuple(attributes),
        required=NoneType not in kinds and info.annotation is not str,
    )
