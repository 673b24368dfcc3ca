"""The API's document, operation by operation, as Python sees it. Knows nothing of what is written from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
KEY = "Idempotency-Key"
_TYPES = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "object": "dict[str, Any]",
}  # fmt: skip


@dataclass(frozen=True)
class Argument:
    """Something that an operation takes. `where`: path, query, body or form."""

    name: str
    where: str
    schema: Schema
    required: bool
    says: str


@dataclass(frozen=True)
class Operation:
    """One call. `answer` is the component that it answers with; `rows` is that of each row where it is a list, `paged`
    where the list comes in pages. `also` are statuses of refusals that have the response's own shape."""

    name: str
    tag: str
    method: str
    path: str
    says: str
    arguments: list[Argument]
    status: str
    response: str | None
    rows: str | None
    paged: bool
    also: list[int]
    is_file: bool
    takes_file: bool
    takes_key: bool
    scopes: list[str]

    def taken(self, where: str) -> list[Argument]:
        """The arguments of one place."""
        return [each for each in self.arguments if each.where == where]


def operations(document: Schema) -> Iterator[Operation]:
    """All operations, in the document's order."""
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            yield _operation(document, path, method, about)


def _operation(document: Schema, path: str, method: str, about: Schema) -> Operation:
    arguments = [
        Argument(
            each["name"],
            each["in"],
            _spelled_out(document, each["schema"]),
            each.get("required", False),
            each.get("description", ""),
        )
        for each in about.get("parameters", [])
        if each["in"] in ("path", "query")
    ]
    takes_file = False
    for kind, content in about.get("requestBody", {}).get("content", {}).items():
        where = "body" if kind == "application/json" else "form"
        body = content["schema"]
        optional = "anyOf" in body
        shape = resolved(document, next(each for each in body["anyOf"] if "$ref" in each) if optional else body)
        for name, schema in shape["properties"].items():
            if where == "form" and name == "file":
                takes_file = True
                continue
            needed = name in shape.get("required", []) and not optional
            says = schema.get("description", "")
            arguments.append(Argument(name, where, _spelled_out(document, schema), needed, says))
    names = [each.name for each in arguments]
    if len(set(names)) < len(names):
        raise ValueError(f"two arguments of {about['operationId']} have one name")
    status = next(code for code in about["responses"] if code.startswith("2"))
    response = _json(about["responses"][status])
    rows = _rows(document, response)
    return Operation(
        name=about["operationId"],
        tag=about["tags"][0],
        method=method.upper(),
        path=path,
        says=about.get("description") or about["summary"],
        arguments=arguments,
        status=status,
        response=response,
        rows=rows,
        paged=rows is not None and "before" in names,
        also=[int(code) for code, each in about["responses"].items() if code.startswith("4") and _json(each)],
        is_file=status != "204" and response is None,
        takes_file=takes_file,
        takes_key=any(each["name"] == KEY for each in about.get("parameters", [])),
        scopes=[scope for way in about["security"] for scope in way.get("token", ())],
    )


def _spelled_out(document: Schema, node: Any) -> Any:
    """A schema with the values of enumerations in the place of references to them."""
    if isinstance(node, list):
        return [_spelled_out(document, each) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str) and "enum" in (named := resolved(document, node)):
        return named
    return {name: _spelled_out(document, value) for name, value in node.items()}


def _json(response: Schema) -> str | None:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return name_of(schema["$ref"]) if "$ref" in schema else None


def _rows(document: Schema, response: str | None) -> str | None:
    fields = document["components"]["schemas"][response]["properties"] if response else {}
    return name_of(fields["items"]["items"]["$ref"]) if set(fields) == {"items", "before"} else None


def name_of(reference: str) -> str:
    """The component that a reference names."""
    return reference.rsplit("/", 1)[-1]


def resolved(document: Schema, schema: Schema) -> Schema:
    """The schema itself, where it is a reference."""
    return document["components"]["schemas"][name_of(schema["$ref"])] if "$ref" in schema else schema


def python_type(schema: Schema, prefix: str = "models.") -> str:
    """A JSON schema as a type of Python."""
    if "$ref" in schema:
        return f"{prefix}{name_of(schema['$ref'])}"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(python_type(each, prefix) for each in schema[several]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum") or [schema["const"]]
        return f"Literal[{', '.join(map(_quoted, values))}]"
    if schema.get("type") == "array":
        return f"list[{python_type(schema.get('items', {}), prefix)}]"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"dict[str, {python_type(schema['additionalProperties'], prefix)}]"
    return _TYPES.get(schema.get("type", ""), "Any")


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
