"""The client's two written modules: `models` by datamodel-code-generator, `operations` here."""

import json
import textwrap
from typing import Any

from workers.reference.document import Argument, Operation, Schema, name_of, operations, python_type

_HEAD = '"""{}. Written by `make client` from the API\'s document; not to be edited."""\n'
_CHECKS = frozenset({
    "title", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems",
    "maxItems", "minProperties", "maxProperties", "pattern",
})  # fmt: skip
_NAMED = frozenset({"properties", "schemas"})  # what stands below has names of its own, which may be those above
_WIDTH = 120 - 8 - 6  # of a docstring's line, with its quotes


def models(document: Schema) -> str:
    """The shapes that are answered, and those within what is sent. The server checks what it is sent, so the bounds of
    numbers and texts are not repeated."""
    from datamodel_code_generator import InputFileType, LiteralType, PythonVersion, generate
    from datamodel_code_generator.enums import DataModelType
    from datamodel_code_generator.format import Formatter

    shapes = document["components"]["schemas"]
    wanted: set[str] = set()
    waiting = [*_roots(document)]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting.extend(_references(shapes[name]))
    slim = {"openapi": "3.1.0", "info": {"title": "Hone", "version": "1"}, "paths": {}}
    slim |= {"components": {"schemas": {name: _without_checks(shapes[name]) for name in sorted(wanted)}}}
    made = generate(
        json.dumps(slim),
        input_file_type=InputFileType.OpenAPI,
        output_model_type=DataModelType.PydanticV2BaseModel,
        target_python_version=PythonVersion.PY_311,
        enum_field_as_literal=LiteralType.All,
        use_standard_collections=True,
        use_union_operator=True,
        use_schema_description=True,
        use_field_description=True,
        use_double_quotes=True,
        collapse_root_models=True,
        strict_nullable=True,
        disable_timestamp=True,
        disable_future_imports=True,
        formatters=[Formatter.BUILTIN],
        custom_file_header=_HEAD.format("What calls answer with").rstrip(),
    )
    return str(made).rstrip() + "\n"


def _roots(document: Schema) -> list[str]:
    """The components that operations name."""
    found: set[str] = set()
    for each in operations(document):
        if response := each.rows or each.response:
            found.add(response)
        for argument in each.arguments:
            found |= _references(argument.schema)
    return sorted(found)


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {name_of(node["$ref"])} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(_references, node.values()))
    return set().union(*map(_references, node)) if isinstance(node, list) else set()


def _without_checks(node: Any, named: bool = False) -> Any:
    if isinstance(node, list):
        return [_without_checks(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {
        name: _without_checks(value, not named and name in _NAMED)
        for name, value in node.items()
        if named or not (name in _CHECKS or (name, value) == ("additionalProperties", False))
    }
    return kept


def client_operations(document: Schema) -> str:
    """The class with a method for each operation."""
    found = list(operations(document))
    body = "\n\n".join(_method(each) for each in found)
    head = _HEAD.format("Every call by its name")
    imports = (
        "from pathlib import Path\nfrom typing import Any, BinaryIO, Literal\n\n"
        "from hone_client import models\nfrom hone_client.calling import OMIT, Caller, Omit\n"
        "from hone_client.files import Download\nfrom hone_client.paging import Pages\n"
    )
    about = '    """One method for each operation of the API, with its name."""\n'
    return f"{head}\n{imports}\n\nclass Operations(Caller):\n{about}\n{body}\n"


def _method(each: Operation) -> str:
    path = sorted(each.taken("path"), key=lambda one: each.path.index(f"{{{one.name}}}"))
    named = [one for one in each.arguments if one.where != "path" and not (each.paged and one.name == "limit")]
    parameters = ["self", *(f"{argument.name}: {python_type(argument.schema)}" for argument in path)]
    if each.takes_file:
        parameters.append("file: Path | BinaryIO")
    keywords = [_keyword(argument) for argument in sorted(named, key=lambda one: not one.required)]
    keywords += ["limit: int | None = None"] * each.paged
    keywords += ["idempotency_key: str | None = None"] * each.takes_key
    if keywords:
        parameters += ["*", *keywords]
    call, response = _call(each)
    head = f"    def {each.name}({', '.join(parameters)}) -> {response}:"
    if len(head) > 120:
        lines = [f"    def {each.name}(", *(f"        {one}," for one in parameters), f"    ) -> {response}:"]
        head = "\n".join(lines)
    return "\n".join([head, _docstring(each, named), f"        {call}"])


def _keyword(argument: Argument) -> str:
    """An argument by name. In a query and in a form there is no null, so that None leaves it out."""
    kinds = python_type(argument.schema).split(" | ")
    if _references(argument.schema) and "dict[str, Any]" not in kinds:
        kinds.append("dict[str, Any]")
    null = "None" in kinds or not (argument.required or argument.where == "body")
    default = "" if argument.required else " = None" if argument.where != "body" else " = OMIT"
    kinds = [*(one for one in kinds if one != "None"), *["Omit"] * (default == " = OMIT"), *["None"] * null]
    return f"{argument.name}: {' | '.join(kinds)}{default}"


def _call(each: Operation) -> tuple[str, str]:
    """The line that calls, and what it gives."""
    address = each.path.removeprefix("/api/v1")
    if texts := [one.name for one in each.taken("path") if one.schema.get("type") != "integer"]:
        raise ValueError(f"{each.name} has {', '.join(texts)} in its address, which is text and would need quoting")
    address = f'f"{address}"' if "{" in address else f'"{address}"'
    sent = [f"{kind}={{{fields}}}" for kind in ("query", "body", "form") if (fields := _fields(each, kind))]
    sent += ["file=file"] * each.takes_file
    sent += ["key=idempotency_key"] * each.takes_key
    if each.rows:
        given = [f"models.{each.rows}", address, *sent, *(["limit=limit"] if each.paged else ["paged=False"])]
        return f"return self._pages({', '.join(given)})", f"Pages[models.{each.rows}]"
    if each.is_file:
        return f"return self._file({', '.join([repr_(each.method), address, *sent])})", "Download"
    if each.response is None:
        return f"self._none({', '.join([repr_(each.method), address, *sent])})", "None"
    also = [f"also=frozenset({{{', '.join(map(str, each.also))}}})"] if each.also else []
    given = [f"models.{each.response}", repr_(each.method), address, *sent, *also]
    return f"return self._one({', '.join(given)})", f"models.{each.response}"


def repr_(text: str) -> str:
    """A text in double quotes."""
    return json.dumps(text)


def _fields(each: Operation, where: str) -> str:
    names = [one.name for one in each.taken(where) if not (each.paged and one.name == "limit")]
    return ", ".join(f'"{name}": {name}' for name in names)


def _docstring(each: Operation, named: list[Argument]) -> str:
    """What it does, and each argument that says something of itself."""
    about = [f"`{one.name}`: {one.says.rstrip('.')}." for one in named if one.says and one.name != "before"]
    text = " ".join(each.says.split())
    lines = textwrap.wrap(text, _WIDTH)
    if about:
        lines += ["", *(line for one in about for line in textwrap.wrap(one, _WIDTH, subsequent_indent="    "))]
    quoted = "\n".join(f"        {line}" if line else "" for line in lines).replace("\\", "\\\\").strip()
    if len(lines) == 1:
        return f'        """{quoted}"""'
    return f'        """{quoted}\n        """'
