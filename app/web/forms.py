"""HTML forms to pydantic models, with one sentence beside each field that is wrong."""

from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from app.web import csrf, seen, sent_once
from app.web.errors import Invalid

M = TypeVar("M", bound=BaseModel)
OF_PAGES = frozenset({csrf.FIELD, sent_once.FIELD, seen.FIELD})
"""Fields that pages add to forms themselves."""

_SENTENCES = {
    "missing": "This is needed.",
    "int_parsing": "Please give a whole number.",
    "int_from_float": "Please give a whole number.",
    "float_parsing": "Please give a number.",
    "finite_number": "Please give a finite number.",
    "extra_forbidden": "This field is not known here.",
}


def parse(model: type[M], form: FormData) -> M:
    """Validate `form`. A checkbox that is absent means false; a `list[str]` takes one entry a line; a `dict[str, str]`
    takes fields named like `name[key]`; blank numbers and optional texts mean "not given"; a line break is one
    character, as it was typed, where browsers send two. Raises Invalid with a sentence for each field."""
    values: dict[str, Any] = {}
    sent: dict[str, list[str]] = {}
    for name, text in form.multi_items():
        if isinstance(text, str):
            sent.setdefault(name, []).append(_typed(text))
    known = set(OF_PAGES)
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is dict:
            keyed = dict.fromkeys(key for key in form if key.startswith(f"{name}[") and key.endswith("]"))
            texts = {key[len(name) + 1 : -1]: form[key] for key in keyed}
            values[name] = {key: _typed(text) if isinstance(text, str) else text for key, text in texts.items()}
            known |= keyed.keys()
            continue
        known.add(name)
        given = sent.get(name, [])
        if field.annotation is bool:
            values[name] = bool(given) and given[-1] not in ("", "false", "off", "0")
        elif get_origin(field.annotation) is list:
            values[name] = [line.strip() for entry in given for line in entry.splitlines() if line.strip()]
        elif given and get_origin(field.annotation) is Literal:
            values[name] = next((arg for arg in get_args(field.annotation) if str(arg) == given[-1]), given[-1])
        elif given:
            blank_means_none = given[-1].strip() == "" and (
                field.annotation in (int, float) or type(None) in get_args(field.annotation)
            )
            if not blank_means_none:
                values[name] = given[-1]
            elif type(None) in get_args(field.annotation):
                values[name] = None
    unknown = set(form.keys()) - known
    if model.model_config.get("extra") == "forbid" and unknown:
        raise Invalid(f"This form has no field named {', '.join(sorted(unknown))}.")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise invalid(error) from None


def _typed(text: str) -> str:
    return text.replace("\r\n", "\n")


def typed(model: type[BaseModel], form: FormData) -> dict[str, str]:
    """What was sent, for showing the form again: every field of `model`, blank where nothing came."""
    return {name: str(form.get(name, "")) for name in model.model_fields}


def titles(model: type[BaseModel]) -> dict[str, str]:
    """What its fields are called on the page, where they say so."""
    return {name: field.title for name, field in model.model_fields.items() if field.title}


def invalid(error: ValidationError) -> Invalid:
    """The same findings as sentences for a person."""
    errors: dict[str, str] = {}
    for finding in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in finding["loc"]) or "form"
        errors.setdefault(name, sentence(dict(finding)))
    return Invalid("Please check the marked fields." if errors else "Please check your input.", errors=errors)


def sentence(finding: dict[str, Any]) -> str:
    """One pydantic finding in plain words."""
    kind, context = finding["type"], finding.get("ctx", {})
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        bound = context.get("gt", context.get("ge", context.get("lt", context.get("le"))))
        word = {"greater_than": "more than", "greater_than_equal": "at least"}.get(kind)
        return f"This must be {word or ('less than' if kind == 'less_than' else 'at most')} {bound}."
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    if kind == "string_too_long":
        return f"This may be at most {context['max_length']} characters long."
    if kind == "string_too_short":
        if context["min_length"] == 1:
            return _SENTENCES["missing"]
        return f"This must be at least {context['min_length']} characters long."
    if kind == "too_short" and context["min_length"] == 1:
        return "Choose at least one."
    if kind == "too_long":
        return f"At most {context['max_length']} entries, please."
    if kind in ("literal_error", "enum"):
        return f"This must be one of {context['expected']}."
    message = str(finding["msg"]).removeprefix("Value error, ")
    return message if message.endswith(".") else f"{message}."
