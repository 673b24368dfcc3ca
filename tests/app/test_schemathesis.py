"""Requests that schemathesis makes of our OpenAPI document, call after call along its links, by people of three kinds.
None breaks anything, and each answer is one that the document promises."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
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

WALKS = int(
    os.environ.get("HONE_API_WALKS", "6")
)  # of each person, and a third as many calls of each operation; more for a long try by hand
STEPS = 12
COMMON = settings(
    deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True
)
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


@dataclass(frozen=True)
class Place:
    """A server, and what of its rows an address may name."""

    url: str
    ids: dict[str, int]


@pytest.fixture
def place(database: str) -> Iterator[Place]:
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
        other = factories.member(session, project, factories.user(session), Role.ANNOTATOR)
        ids = {
            "project_id": project.id,
            "prompt_id": prompt.id,
            "item_id": item.id,
            "run_id": run.id,
            "model_id": factories.model(session, project).id,
            "user_id": other.user_id,
            "invitation_id": factories.invitation(session, project, people["manager"]).id,
        }
    with web_server() as server:
        yield Place(server.url, ids)


class Asking:
    """One person's calls."""

    def __init__(self, place: Place, who: str) -> None:
        self.place, self.rng = place, Random(who)
        self.headers = {"Authorization": f"Bearer {who * 3}"}
        self.schema = schemathesis.openapi.from_url(f"{place.url}/api/openapi.json", timeout=120)
        self.statuses: list[int] = []

    def name_what_there_is(self, case: Any) -> None:
        """Put ids of rows into most addresses: hardly any random number is one."""
        for name, known in self.place.ids.items():
            if name in case.path_parameters and self.rng.random() < 0.8:
                case.path_parameters[name] = known

    def judge(self, response: Any, case: Any) -> None:
        """Hold an answer against the document."""
        self.statuses.append(response.status_code)
        case.validate_response(response, checks=CHECKS, headers=self.headers)


@pytest.fixture(params=PEOPLE)
def asking(request: pytest.FixtureRequest, place: Place) -> Asking:
    return Asking(place, request.param)


def test_no_call_breaks_it(asking: Asking) -> None:
    operations = [found.ok() for found in asking.schema.get_all_operations()]
    assert len(operations) > 70
    for operation in operations:

        @settings(COMMON, max_examples=WALKS // 3)
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            asking.name_what_there_is(case)
            asking.judge(case.call(headers=asking.headers, timeout=60), case)

        call()
    assert any(status < 300 for status in asking.statuses), "nothing that was sent was taken"


def test_no_walk_breaks_it(asking: Asking) -> None:
    class Walk(asking.schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            asking.name_what_there_is(case)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": asking.headers, "timeout": 60}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            asking.judge(response, case)

    # Each by itself: Hypothesis compares the walks of one test, and what can be called next is up to the rows that are
    # there by then.
    for number in range(WALKS):
        walks = settings(COMMON, derandomize=False, max_examples=1, stateful_step_count=STEPS)
        run_state_machine_as_test(seed(number)(Walk), settings=walks)
    assert len(asking.statuses) >= WALKS
