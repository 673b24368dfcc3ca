"""Requests that schemathesis makes of our OpenAPI document, call after call along its links, by people of three kinds.
None breaks anything, and each answer is one that the document promises."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.checks import CheckContext
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.db import task_session
from app.models import Role
from app.web.signing import digest
from tests import factories
from tests.web_server import web_server

WALKS = int(os.environ.get("HONE_API_WALKS", "6"))  # of each person; more for a long try by hand
STEPS = 12
PEOPLE = {
    "administrator": ["read", "label", "manage", "admin"],
    "manager": ["read", "label", "manage"],
    "reader": ["read"],
}


@schemathesis.check
def nothing_breaks(ctx: CheckContext, response: Any, case: Any) -> None:
    """No 5xx but the 503 of a part that is not there, such as the inference server, which says what it is."""
    away = response.status_code == 503 and response.headers["content-type"] == ["application/problem+json"]
    assert response.status_code < 500 or away, f"{response.status_code}: {response.text[:500]}"


CHECKS = [nothing_breaks, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def address(database: str) -> Iterator[str]:
    """A server with a project in which there is a little of everything."""
    with task_session() as session:
        project = factories.project(session, archived_at=None)
        people = {name: factories.user(session, is_admin=name == "administrator") for name in PEOPLE}
        for name, person in people.items():
            if name != "administrator":
                factories.member(session, project, person, Role.MANAGER)
            factories.api_token(session, person, token_hash=digest(name * 3), scopes=PEOPLE[name])
        prompt = factories.prompt(session, project)
        item = factories.item(session, prompt, project.base_model)
        factories.label(session, item, people["manager"])
        run = factories.training(session, project, "reward")
        factories.run_metric(session, run, 1, 0.5)
        factories.conversation(session, project, people["manager"])
        factories.endpoint(session)
        factories.invitation(session, project, people["manager"])
    with web_server() as server:
        yield server.url


@pytest.mark.parametrize("who", PEOPLE)
def test_no_walk_through_the_api_breaks_it(address: str, who: str) -> None:
    headers = {"Authorization": f"Bearer {who * 3}"}
    schema = schemathesis.openapi.from_url(f"{address}/api/openapi.json")
    steps: list[int] = []

    class Walk(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": headers, "timeout": 60}

        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            steps.append(response.status_code)
            case.validate_response(response, checks=CHECKS, headers=headers)

    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert len(steps) > WALKS
    assert any(status < 300 for status in steps), "nothing that was sent was taken"
