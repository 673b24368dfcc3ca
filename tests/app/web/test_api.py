"""The JSON API says what it takes and what it answers with, and keeps to it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.orm import Session

from app.main import app
from app.models import ModelKind, Role
from tests import factories
from tests.app.conftest import Browser, Cast

DOCUMENT = app.openapi()
OPERATIONS = [
    (method, path, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
WHOLE = {"list_deletions", "list_methods", "list_run_samples", "list_sessions"}  # lists that have no second page
IN_PERSON = {  # what no token opens
    "change_me", "set_my_password", "sign_out_elsewhere", "create_token", "revoke_token", "change_user",
    "reset_sign_in", "invite_person", "delete_project", "delete_person", "apply_retention",
    "end_session", "sign_person_out", "set_my_keys",
}  # fmt: skip
NO_ANSWER = {
    "download_export",
    "download_export_of_run",
    "download_base_model",
    "download_model",
    "refused_rows",
}  # files


def schema(operation: dict[str, Any], code: str) -> dict[str, Any]:
    content, *_ = operation["responses"][code]["content"].values()  # after it the usual refusals
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


def test_every_call_says_what_opens_it() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert {name: scheme["type"] for name, scheme in schemes.items()} == {
        "token": "http",
        "session": "apiKey",
        "csrf": "apiKey",
    }
    for method, path, operation in OPERATIONS:
        tokens = [way["token"] for way in operation["security"] if "token" in way]
        assert bool(tokens) is (operation["operationId"] not in IN_PERSON), path
        browsers = [set(way) for way in operation["security"] if "token" not in way]
        assert browsers == [{"session"} if method == "get" else {"session", "csrf"}], path
    runs = DOCUMENT["paths"]["/api/v1/projects/{project_id}/runs"]
    assert runs["post"]["security"] == [{"token": ["manage"]}, {"session": [], "csrf": []}]
    chat = DOCUMENT["paths"]["/api/v1/projects/{project_id}/chat"]
    assert chat["get"]["security"] == [{"token": ["label"]}, {"token": ["read"]}, {"session": []}]


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
            if operation["operationId"] not in WHOLE:
                assert {"before", "limit"} <= {each["name"] for each in operation["parameters"]}, path


def test_an_unknown_query_name_is_refused_with_those_there_are(as_: Callable[[str], Browser], cast: Cast) -> None:
    manager, base = as_("manager"), f"/api/v1/projects/{cast.project.id}"
    for method, path, _ in OPERATIONS:
        address = re.sub(r"{\w+}", "1", path.replace("{project_id}", str(cast.project.id)))
        answer = manager.request(method, f"{address}?choise=a", headers={"X-CSRF-Token": manager.csrf()})
        assert answer.status_code == 422, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert list(answer.json()["errors"]) == ["choise"]
    assert manager.get(f"{base}/items?purpos=check").json()["detail"] == (
        "This address has no such query parameter. It takes: before, limit, prompt, purpose, sort, split, state."
    )
    assert manager.get(f"{base}/loop?x").json()["detail"] == "This address has no such query parameter. It takes none."
    assert manager.post(f"{base}/label/next?x=1", headers={"X-CSRF-Token": manager.csrf()}).status_code == 422
    assert manager.get(f"{base}/items?purpose=check").status_code == 200
    assert manager.get(f"/projects/{cast.project.id}?utm_source=mail").status_code == 200  # a page is a page


def test_a_list_is_the_same_in_pages_of_any_size(as_: Callable[[str], Browser], cast: Cast, session: Session) -> None:
    for number in range(3):
        project = factories.project(session, name=f"Project {number}")
        factories.member(session, project, cast.admin, Role.MANAGER)
        factories.member(session, cast.project, factories.user(session), Role.ANNOTATOR)
        factories.invitation(session, cast.project, cast.manager)
        factories.prompt(session, cast.project)
        factories.run(session, cast.project)
        factories.model(session, cast.project, kind=ModelKind.REWARD)
        factories.model(session, cast.project, kind=ModelKind.POLICY)
        factories.endpoint(session, name=f"Endpoint {number}")
    admin, base = as_("admin"), f"/api/v1/projects/{cast.project.id}"
    kinds = ("members", "invitations", "prompts", "runs", "rewards", "policies", "models")
    for address in ("/api/v1/projects", "/api/v1/users", "/api/v1/endpoints", *(f"{base}/{kind}" for kind in kinds)):
        whole = admin.get(f"{address}?limit=200").json()
        assert len(whole["items"]) >= 3, address
        assert whole["before"] is None
        for size in (1, 2):
            found, before = [], ""
            while before is not None:
                part = admin.get(f"{address}?limit={size}{before and f'&before={before}'}").json()
                assert len(part["items"]) <= size
                found, before = found + part["items"], part["before"]
            assert found == whole["items"], address
    assert admin.get(f"{base}/runs?limit=201").status_code == 422
    assert admin.get(f"{base}/runs?limit=0").json()["errors"]["limit"]
