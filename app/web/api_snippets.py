"""How a call is made, as people copy it: by curl, and by `hone_client`. Drawn from the call's own description, with
what it needs and no more. Knows no call."""

import json
from typing import Any

Schema = dict[str, Any]
_EXAMPLES = {"integer": 1, "number": 1.0, "boolean": True, "object": {}}
_TEXT = "…"


def curl(document: Schema, base: str, method: str, path: str, operation: Schema) -> str:
    """A line for a shell in which HONE_TOKEN is set."""
    words = ["curl", *(["-X", method] if method != "GET" else []), '-H "Authorization: Bearer $HONE_TOKEN"']
    kind, body = _body(document, operation)
    if kind == "application/json":
        given = json.dumps({name: example(document, schema) for name, schema in body.items()}, ensure_ascii=False)
        words += ['-H "Content-Type: application/json"', f"-d {_quoted(given)}"]
    elif kind is not None:
        words += [f"-F {name}={'@rows.jsonl' if name == 'file' else _TEXT}" for name in body]
    if _is_file(operation):
        words.append("-OJ")
    query = "&".join(f"{each['name']}={example(document, each['schema'])}" for each in _needed(operation))
    return " ".join([*words, _quoted(f"{base}{_filled(path)}{query and f'?{query}'}")])


def python(document: Schema, path: str, operation: Schema) -> str:
    """A line of Python in which `hone` is a client."""
    _, body = _body(document, operation)
    given = [*("1" for _ in range(path.count("{")))]
    if "file" in body:
        given.append('Path("rows.jsonl")')
    fields = {name: schema for name, schema in body.items() if name != "file"}
    fields |= {each["name"]: each["schema"] for each in _needed(operation)}
    given += [f"{name}={_literal(example(document, schema))}" for name, schema in fields.items()]
    called = f"hone.{operation['operationId']}({', '.join(given)})"
    if _is_file(operation):
        return f'{called}.save("file")'
    listed = operation["operationId"].startswith("list_")
    return f"for row in {called}:\n    print(row)" if listed else called


def example(document: Schema, schema: Schema) -> Any:
    """A value that a schema allows, as short as may be."""
    if "$ref" in schema:
        return example(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
    if "anyOf" in schema:
        return example(document, schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [example(document, schema.get("items", {}))]
    if schema.get("type") == "object" and schema.get("required"):
        return {name: example(document, schema["properties"][name]) for name in schema["required"]}
    found = _EXAMPLES.get(schema.get("type", ""), _TEXT)
    return max(found, schema["minimum"]) if isinstance(found, int) and "minimum" in schema else found


def _body(document: Schema, operation: Schema) -> tuple[str | None, dict[str, Schema]]:
    """The media type of what is sent, and its fields that have to be."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        return kind, {name: schema["properties"][name] for name in schema.get("required", [])}
    return None, {}


def _needed(operation: Schema) -> list[Schema]:
    return [each for each in operation.get("parameters", []) if each["in"] == "query" and each.get("required")]


def _is_file(operation: Schema) -> bool:
    return any(code == "200" and not response.get("content") for code, response in operation["responses"].items())


def _filled(path: str) -> str:
    parts = (("1" if part.startswith("{") else part) for part in path.split("/"))
    return "/".join(parts)


def _quoted(text: str) -> str:
    """For a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value).replace("'", '"')
