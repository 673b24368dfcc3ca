"""The JSON API described: as OpenAPI for programs, and as a page that needs no script."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from starlette.responses import JSONResponse

from app.web import api_snippets, csrf
from app.web.guard import access_by_route, public
from app.web.problems import PROBLEM
from app.web.render import absolute, render
from app.web.routing import Router
from app.web.views import Problem

router = Router(dependencies=[Depends(public)])

FAILURES: dict[int | str, dict[str, Any]] = {"default": {"model": Problem, "description": "It failed"}}
"""What every call may respond with beside what it promises."""
Scopes = Callable[[str, set[str], str], Iterable[str]]
_ORDER = {"get": 0, "post": 1, "put": 2, "patch": 3, "delete": 4}


_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of the account page, with one of the scopes"},
    "session": {"type": "apiKey", "in": "cookie", "name": csrf.SESSION_COOKIE, "description": "A browser's session"},
    "csrf": {"type": "apiKey", "in": "header", "name": csrf.HEADER, "description": "The token of the session's pages"},
}


class Documented(FastAPI):
    """An application whose document says what each call needs to be let in, and gives failures the media type that
    they have."""

    def __init__(self, *, scopes: Scopes, **more: Any) -> None:
        """`scopes` says of which scopes a token needs one, for a path, who may call it and a method."""
        super().__init__(**more)
        self._scopes = scopes

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        made = self.openapi_schema is not None
        document = super().openapi()
        if not made:
            document["components"]["securitySchemes"] = _SCHEMES
            access = access_by_route(self)
            for path, methods in document["paths"].items():
                for method, operation in methods.items():
                    needed = self._scopes(path, access[method.upper(), path], method.upper())
                    session = ["session"] if method == "get" else ["session", "csrf"]
                    by_token: list[dict[str, list[str]]] = [{"token": [scope]} for scope in sorted(needed)]
                    operation["security"] = [*by_token, {name: [] for name in session}]
                    responses = operation["responses"]["default"]
                    problem = {PROBLEM: responses["content"]["application/json"]}
                    responses["content"] = problem
                    for code, responses in operation["responses"].items():
                        if code.startswith("4"):  # a refusal of its own, beside which there are the usual ones
                            responses["content"] |= problem
        return document


@router.get("/api/openapi.json")
def openapi(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/api/docs")
def docs(request: Request) -> Response:
    """The same for people."""
    document = request.app.openapi()
    return render(
        request,
        "shared/api_docs.html",
        base=absolute(request, ""),
        groups=_by_tag(document, absolute(request, "")),
        schemas=_schemas(document),
    )


def _by_tag(document: dict[str, Any], base: str) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document.get("paths", {}).items():
        for method, operation in sorted(methods.items(), key=lambda item: _ORDER.get(item[0], 9)):
            body = operation.get("requestBody", {}).get("content", {})
            responses = {code: _response(one) for code, one in operation["responses"].items() if code != "default"}
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "needs": [scope for each in operation["security"] for scope in each.get("token", ())],
                    "says": " ".join((operation.get("description") or operation["summary"]).split()),
                    "parameters": [
                        {
                            "name": one["name"],
                            "where": one["in"],
                            "type": _type(one["schema"]),
                            "required": one.get("required", False),
                        }
                        for one in operation.get("parameters", [])
                    ],
                    "body": {kind: _type(content.get("schema")) for kind, content in body.items()},
                    "answers": responses,
                    "curl": api_snippets.curl(document, base, method.upper(), path, operation),
                    "python": api_snippets.python(document, path, operation),
                }
            )
    return groups


def _response(response: dict[str, Any]) -> str:
    return next((_type(content.get("schema")) for content in response.get("content", {}).values()), "")


def _schemas(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        required = schema.get("required", [])
        found[name] = {
            "says": schema.get("description", ""),
            "values": schema.get("enum"),
            "fields": [
                {
                    "name": field,
                    "type": _type(about),
                    "required": field in required,
                    "says": about.get("description", ""),
                    "default": about.get("default"),
                }
                for field, about in schema.get("properties", {}).items()
            ],
        }
    return found


def _type(schema: dict[str, Any] | None) -> str:
    """A JSON schema in a few words, e.g. `list of Person`."""
    if not schema:
        return ""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return repr(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items')) or 'anything'}"
    words = str(schema.get("format") or schema.get("type") or "anything")
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if high is not None and high < 2**53:
        words += f" {low if low is not None else ''} to {high}"
    return words
