"""Forms made from the JSON schemas that the settings of commands are described by, so that nothing is written twice.

The schemas in schemas/ are generated from the learning library (`make schemas`); what an extension brings has the same
shape. Beyond draft 2020-12 they have `x-group`, `x-unit` and `x-choices` (what each value of an
enum is called) of a property, and `x-rules` that span two settings. Those
of the group "local" name files and devices: they are for whoever runs the command.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError, create_model, model_validator
from pydantic.fields import Field, FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.methods.method import MethodForm

Schema = Mapping[str, Any]

_TYPES: dict[str, Any] = {"integer": int, "number": float, "boolean": bool, "string": str, "array": list[str]}
_BOUNDS = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
LONGEST_TEXT = 500


@lru_cache
def schema(name: str) -> Schema:
    """The schema of one of the learning library's commands."""
    path = Path(__file__).parent / "schemas" / f"{name}.json"
    found: Schema = json.loads(path.read_text(encoding="utf-8"))
    return found


def form(base: type[MethodForm], given: Schema, defaults: Mapping[str, Any]) -> type[MethodForm]:
    """`base` with the settings of a schema added. `defaults`: those that are other ones on the platform."""
    shown = {name: about for name, about in given["properties"].items() if about.get("x-group") != "local"}
    if unknown := defaults.keys() - shown.keys():
        raise ValueError(f"no such settings: {', '.join(sorted(unknown))}")
    fields: dict[str, Any] = {
        name: _field(about, defaults.get(name, about.get("default"))) for name, about in shown.items()
    }
    made: type[MethodForm] = create_model(
        base.__name__,
        __base__=base,
        __doc__=base.__doc__,
        __validators__={"rules": cast(Any, model_validator(mode="after")(_rules(given, shown)))},
        **fields,
    )
    made.MAIN = tuple(name for name, about in shown.items() if about.get("x-group") == "main")
    made.model_config["json_schema_extra"] = {"x-rules": given.get("x-rules", [])}
    made.model_rebuild(force=True)
    return made


def _field(about: Schema, default: Any) -> tuple[Any, FieldInfo]:
    kinds = [about["type"]] if isinstance(about["type"], str) else list(about["type"])
    [kind] = [each for each in kinds if each != "null"]
    choices = tuple(each for each in about.get("enum", ()) if each is not None)
    annotation = Literal[choices] if choices else _TYPES[kind]
    more = {name: about[word] for word, name in _BOUNDS.items() if word in about}
    if kind == "string" and not choices:
        more["max_length"] = LONGEST_TEXT
    kept = {word: about[word] for word in ("x-unit", "x-group", "x-choices") if word in about}
    field: FieldInfo = Field(
        default, title=about["title"], description=about["description"], json_schema_extra=kept, **more
    )
    return (annotation | None if "null" in kinds else annotation), field


def _rules(given: Schema, shown: Mapping[str, Any]) -> Any:
    rules = [
        rule
        for rule in given.get("x-rules", [])
        if {rule["field"], rule.get("at_most"), rule.get("needs")} - {None} <= shown.keys()
    ]

    def check(form: MethodForm) -> MethodForm:
        broken = [rule for rule in rules if _broken(rule, vars(form))]
        if broken:
            raise ValidationError.from_exception_data(
                type(form).__name__,
                [
                    InitErrorDetails(
                        type=PydanticCustomError("rule", "{message}", {"message": rule["message"]}),
                        loc=(rule["field"],),
                        input=vars(form)[rule["field"]],
                    )
                    for rule in broken
                ],
            )
        return form

    return check


def _broken(rule: Schema, values: Mapping[str, Any]) -> bool:
    value = values[rule["field"]]
    if "at_most" in rule:
        limit = values[rule["at_most"]]
        return value is not None and limit is not None and value > limit
    return bool(value) and not values[rule["needs"]]
