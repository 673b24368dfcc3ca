"""The JSON API says what it takes and what it answers with, and keeps to it."""

from collections.abc import Callable, Iterator
from typing import Any

from app.main import app
from tests.app.conftest import Browser, Cast

DOCUMENT = app.openapi()
LATER = ("rewards", "policies", "runs", "trainings", "methods", "/api/v1/endpoints")  # not described like this yet
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if not path.removeprefix("/api/v1/projects/{project_id}/").startswith(LATER)
]
NO_ANSWER = {"export_labels"}  # files


def schema(operation: dict[str, Any], code: str) -> dict[str, Any]:
    [content] = operation["responses"][code]["content"].values()
    found: dict[str, Any] = content["schema"]
    return found


def promised(operation: dict[str, Any]) -> Iterator[str]:
    yield from (code for code in operation["responses"] if code != "default")


def test_every_call_has_a_response_model() -> None:
    bare = [
        f"{method} {path} {code}"
        for method, path, operation in OPERATIONS
        for code in promised(operation)
        if code != "204" and operation["operationId"] not in NO_ANSWER and "$ref" not in schema(operation, code)
    ]
    assert OPERATIONS
    assert not bare


def test_every_failure_is_a_problem() -> None:
    for _, _, operation in OPERATIONS:
        assert operation["responses"]["default"]["content"] == {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        }


def test_names_of_calls_are_short_and_of_one_call_each() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert not [name for name in names if len(name) > 30 or "api_v1" in name]


def test_every_list_has_one_shape() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for method, path, operation in OPERATIONS:
        if method == "get" and operation["operationId"].startswith("list_"):
            name = schema(operation, "200")["$ref"].rsplit("/", 1)[-1]
            assert set(schemas[name]["properties"]) == {"items", "before"}, path


def test_an_unknown_query_name_is_refused_with_those_there_are(as_: Callable[[str], Browser], cast: Cast) -> None:
    manager, base = as_("manager"), f"/api/v1/projects/{cast.project.id}"
    for call in ("prompts", "items", "labels", "runs", "chat", "members", "loop"):
        answer = manager.get(f"{base}/{call}?choise=a")
        assert answer.status_code == 422, call
        assert answer.headers["content-type"] == "application/problem+json"
        assert list(answer.json()["errors"]) == ["choise"]
    assert manager.get(f"{base}/items?purpos=check").json()["detail"] == (
        "This address has no such query parameter. It takes: before, prompt, purpose, split, state."
    )
    assert manager.get(f"{base}/loop?x").json()["detail"] == "This address has no such query parameter. It takes none."
    assert manager.post(f"{base}/label/next?x=1", headers={"X-CSRF-Token": manager.csrf()}).status_code == 422
    assert manager.get(f"{base}/items?purpose=check").status_code == 200
    assert manager.get(f"/projects/{cast.project.id}/items?utm_source=mail").status_code == 200  # a page is a page
