"""Quotas: administrators set them, managers see them and are told in time, and where one is met nothing further begins
and nothing is lost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.db import task_session
from app.erasing import retention, storage
from app.home.automation import automations
from app.imports import service as imports
from app.items import filling
from app.items import service as items
from app.models import AuditEvent, Endpoint, Project, Quota, Run, RunKind, RunState
from app.projects import service as projects
from app.quotas import service as quotas
from app.quotas.forms import QuotaChange
from app.registry import endpoints
from app.runs import service as runs
from app.settings import get_settings
from app.web.errors import Conflict, TooMany
from tests import factories
from tests.app.conftest import Browser, Cast


def limit(session: Session, project: Project, **limits: int | None) -> None:
    quotas.change(session, project, None, QuotaChange.model_validate(limits))


def ask(session: Session, project: Project) -> Run:
    return runs.create(session, project, factories.asked(RunKind.SCORING, session, project), model=project.base_model)


def test_administrators_set_them_and_managers_see_them(client: Browser, cast: Cast, session: Session) -> None:
    here = f"/projects/{cast.project.id}/settings"
    form = {"runs_at_once": "4", "runs_per_day": "", "storage_gb": "2.5", "tokens": "1000000"}
    client.sign_in(cast.manager)
    assert client.submit(f"{here}/quotas", **form).status_code == 403
    assert 'name="storage_gb"' not in client.get(here).text
    client.sign_in(cast.admin)
    assert client.submit(f"{here}/quotas", **form).headers["location"] == f"{here}#quotas-saved"
    quota = quotas.of(session, cast.project.id)
    assert (quota.runs_at_once, quota.runs_per_day, quota.storage_bytes, quota.tokens) == (
        4,
        None,
        2_500_000_000,
        10**6,
    )
    stale = {"seen_values": '{"tokens": "older"}'} | form | {"tokens": "5"}
    answer = client.submit(f"{here}/quotas", **stale)
    assert answer.status_code == 409
    assert "This was changed since you opened the page" in answer.text
    assert quotas.of(session, cast.project.id).tokens == 10**6
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "project.quotas_changed")).one()
    assert event.details["storage_bytes"] == [None, 2_500_000_000]
    client.sign_in(cast.manager)
    page = client.get(here).text
    assert "0 of 4" in page
    assert "not measured yet of 2.5 GB" in page
    trail = client.get(f"/projects/{cast.project.id}/audit").text
    assert "changed the quotas:" in trail
    assert "runs at once from nothing to 4" in trail


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("runs_at_once", "0", "at least 1"),
        ("runs_per_day", "many", "whole number"),
        ("storage_gb", "-1", "at least"),
        ("storage_gb", "nan", "finite"),
        ("tokens", "1e30", "whole number"),
    ],
)
def test_what_is_no_quota_is_refused_beside_its_field(
    client: Browser, cast: Cast, session: Session, field: str, value: str, says: str
) -> None:
    limit(session, cast.project, tokens=5)
    client.sign_in(cast.admin)
    form = {"runs_at_once": "4", "runs_per_day": "7", "storage_gb": "2", "tokens": "9"} | {field: value}
    answer = client.submit(f"/projects/{cast.project.id}/settings/quotas", **form)
    assert answer.status_code == 422
    assert says in answer.text
    assert f'value="{value}"' in answer.text
    assert quotas.of(session, cast.project.id).tokens == 5


def test_by_the_api_what_is_left_out_stays_and_null_takes_a_limit_away(
    client: Browser, cast: Cast, session: Session
) -> None:
    url = f"/api/v1/projects/{cast.project.id}/quotas"
    admin, manager = client.bearer(cast.admin, "admin"), client.bearer(cast.manager, "read", "manage")
    assert client.patch(url, json={"tokens": 10, "runs_per_day": 3}, headers=admin).status_code == 200
    assert client.patch(url, json={"tokens": None}, headers=admin).status_code == 200
    assert client.patch(url, json={"tokens": 1}, headers=manager).status_code == 403
    assert client.patch(url, json={"tokens": 0}, headers=admin).status_code == 422
    assert client.patch(url, json={"token": 1}, headers=admin).status_code == 422
    told = client.get(url, headers=manager).json()
    assert {use["name"]: use["limit"] for use in told["quotas"]} == {
        "runs_at_once": None, "runs_per_day": 3, "storage_bytes": None, "tokens": None,
    }  # fmt: skip
    assert told["notices"] == []


def test_a_new_project_begins_with_those_of_the_settings(cast: Cast, session: Session, monkeypatch) -> None:
    monkeypatch.setenv("HONE_QUOTA_RUNS_PER_DAY", "12")
    monkeypatch.setenv("HONE_QUOTA_STORAGE_BYTES", "5000000000")
    get_settings.cache_clear()
    made = projects.create_project(session, cast.admin, "New", cast.project.base_model)
    quota = quotas.of(session, made.id)
    assert (quota.runs_at_once, quota.runs_per_day, quota.storage_bytes, quota.tokens) == (None, 12, 5 * 10**9, None)
    assert quotas.of(session, cast.project.id).runs_per_day is None


def test_runs_at_once(client: Browser, cast: Cast, session: Session) -> None:
    factories.prompt(session, cast.project)
    limit(session, cast.project, runs_at_once=1)
    first = ask(session, cast.project)
    client.sign_in(cast.manager)
    answer = client.submit(f"/projects/{cast.project.id}/items/sample", count="1")
    assert answer.status_code == 409
    assert "The project&#39;s quota is 1 run at once." in answer.text
    sent = client.post(
        f"/api/v1/projects/{cast.project.id}/items/sample", json={}, headers=client.bearer(cast.manager, "manage")
    )
    assert sent.status_code == 409
    assert "An administrator can raise the quota." in sent.json()["detail"]
    runs.request_cancel(session, None, first)
    second = ask(session, cast.project)
    with pytest.raises(Conflict, match="1 run at once"):
        runs.resume(session, None, first)
    runs.request_cancel(session, None, second)
    assert runs.resume(session, None, first).state is RunState.QUEUED


def test_runs_in_a_day(session: Session) -> None:
    project = factories.project(session)
    limit(session, project, runs_per_day=2)
    now = datetime.now(UTC)
    for hours in (30, 23, 5):
        made = factories.run(session, project, RunKind.SCORING, state=RunState.FAILED)
        made.created_at = now - timedelta(hours=hours)
    session.flush()
    with pytest.raises(TooMany, match="2 runs in 24 hours is used up") as refused:
        ask(session, project)
    assert 3500 < refused.value.retry_after <= 3600, "when the run of 23 hours ago is a day old"
    assert runs.resume(session, None, made).state is RunState.QUEUED, "it has counted already"


def test_storage(session: Session, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HONE_DATA_DIR", str(tmp_path))
    get_settings.cache_clear()
    store = get_settings().store
    project = factories.project(session)
    run = factories.run(session, project, RunKind.SCORING, state=RunState.FAILED, workspace="attempt-1")
    run.ended_at = datetime.now(UTC) - timedelta(days=9)
    model = factories.model(session, project)
    for name, octets in ((f"runs/{run.id}/attempt-1/log.txt", 700), (f"{model.artifact}/weights", 300)):
        (store / name).parent.mkdir(parents=True)
        (store / name).write_bytes(b"x" * octets)
    (store / f"runs/{run.id}/attempt-1/weights").hardlink_to(store / f"{model.artifact}/weights")
    assert project.id in storage.due(session)
    assert storage.measure(session, project.id) == 1000, "a file of two names takes its room once"
    assert project.id not in storage.due(session)
    limit(session, project, storage_bytes=1200)
    [notice] = quotas.notices(session, project.id)
    assert notice.sentence.startswith("Storage: 1 kB of 1 kB used (83%).")
    ask(session, project)
    limit(session, project, storage_bytes=1000)
    with pytest.raises(Conflict, match=r"files take 1 kB, and its quota is 1 kB. Delete runs"):
        ask(session, project)
    with pytest.raises(Conflict, match="files take 1 kB"):
        imports.keep_path(session, project, store / f"{model.artifact}/weights")
    imported = factories.run(session, project, RunKind.IMPORT, state=RunState.SUCCEEDED)
    assert runs.create(session, project, factories.asked(RunKind.UNDO, session, project)).state is RunState.QUEUED
    assert imported.state is RunState.SUCCEEDED
    retention.delete_folders(session, [run])
    assert project.id in storage.due(session), "measured again soon"


def test_tokens_of_the_project_and_of_the_endpoint_are_never_passed_however_many_ask(database: str) -> None:
    with task_session() as session:
        project = factories.project(session)
        project_id, model_id = project.id, factories.endpoint(session, token_limit=None).id
        limit(session, project, tokens=900)
    refused: list[str | None] = []

    def spend() -> None:
        for _ in range(5):
            with task_session() as session:
                refused.append(endpoints.reserve(session, model_id, 20, 40, project_id))

    threads = [Thread(target=spend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused.count(None) == 15
    [sentence] = {each for each in refused if each is not None}
    assert sentence.startswith("The project's quota of tokens is used up: 0 are left, and this request may take 60.")
    with task_session() as session:
        endpoints.settle(session, model_id, (20, 40), (15, 5), 0, project_id)
        assert session.get_one(Quota, project_id).tokens_used == 860
        assert session.get_one(Endpoint, model_id).tokens_used == 860
    with task_session() as session:
        session.get_one(Endpoint, model_id).token_limit = 870
    with task_session() as session:
        assert "spending limit" in str(endpoints.reserve(session, model_id, 10, 10, project_id))
        assert session.get_one(Quota, project_id).tokens_used == 860, "what the endpoint refused is not counted"


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (
            {"runs_per_day": 1},
            "The project's quota of 1 run in 24 hours is used up. An administrator can raise the quota.",
        ),
        ({"storage_bytes": 10}, "The project's files take 20 B, and its quota is 10 B. Delete runs or retire models."),
    ],
)
def test_automation_stops_and_the_overview_says_so(
    as_: Callable[[str], Browser], cast: Cast, session: Session, limits: dict[str, int], says: str
) -> None:
    factories.prompt(session, cast.project)
    cast.project.automation = cast.project.automation.model_copy(update={"keep_queue_filled": True})
    factories.run(session, cast.project, RunKind.SCORING, state=RunState.SUCCEEDED)
    quotas.measured(session, cast.project.id, 20)
    assert filling.decide(session, cast.project).amount > 0
    limit(session, cast.project, **limits)
    assert filling.decide(session, cast.project).amount == 0
    assert items.plan_sampling(session, cast.project) is None
    assert automations(session, cast.project, 0)[0].now.startswith(says)
    manager = as_("manager")
    page = manager.get(f"/projects/{cast.project.id}").text
    assert says.replace("'", "&#39;") in page
    assert "Nothing further starts until" in page
    told = manager.get(f"/api/v1/projects/{cast.project.id}/loop").json()["quotas"]
    assert len(told) == 1
    assert "An administrator can raise the quota." in told[0]


def test_many_projects_are_asked_by_three_statements_and_each_has_its_own(cast: Cast, session: Session) -> None:
    plain, third = factories.project(session), factories.project(session)
    limit(session, cast.project, runs_at_once=2, storage_bytes=1000)
    limit(session, third, runs_per_day=4, tokens=10)
    ask(session, cast.project)
    session.get_one(Quota, cast.project.id).storage_used = 800
    for _ in range(3):
        factories.run(session, third, state=RunState.SUCCEEDED)
    factories.run(session, third, state=RunState.SUCCEEDED, created_at=datetime.now(UTC) - timedelta(hours=25))
    factories.run(session, plain)
    session.flush()
    seen: list[str] = []
    engine = session.connection().engine
    event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    found = quotas.uses_of(session, [cast.project.id, plain.id, third.id])
    assert len(seen) == 3
    assert {of: [(use.name, use.used, use.limit) for use in uses] for of, uses in found.items()} == {
        cast.project.id: [("runs_at_once", 1, 2), ("storage_bytes", 800, 1000)],
        plain.id: [],
        third.id: [("runs_per_day", 3, 4), ("tokens", 0, 10)],
    }
    for of, uses in found.items():
        assert uses == quotas.uses(session, of, limited=True)
    del seen[:]
    assert quotas.uses_of(session, [plain.id]) == {plain.id: []}
    assert len(seen) == 1, "where nothing is limited no runs are counted"


def test_the_list_of_projects_shows_them_and_tells_as_the_projects_page_does(
    client: Browser, cast: Cast, session: Session
) -> None:
    manager = client.bearer(cast.manager, "read")

    def told() -> Any:
        [one] = client.get("/api/v1/overview", headers=manager).json()["projects"]
        return one["quotas"]

    client.sign_in(cast.admin)
    assert ">Quotas</th>" not in client.get("/").text
    assert told() == []
    limit(session, cast.project, tokens=100, storage_bytes=1000, runs_at_once=1)
    quota = session.get_one(Quota, cast.project.id)
    quota.tokens_used, quota.storage_used = 79, None
    ask(session, cast.project)
    page = client.get("/").text
    assert ">Quotas</th>" in page
    assert "Runs at once: 1 of 1" in page
    assert "Storage: not measured yet of 1 kB" in page
    assert "Tokens of endpoints: 79 of 100" in page
    assert [use["notice"] for use in told()] == [None, None, None]
    quota.tokens_used, quota.storage_used = 80, 1000
    session.flush()
    page, own = client.get("/").text, client.get(f"/projects/{cast.project.id}").text
    for use in quotas.notices(session, cast.project.id):
        assert use.sentence in own
        assert use.sentence in page
    assert told() == [
        {"name": "runs_at_once", "title": "Runs at once", "used": 1, "limit": 1, "share": 1.0, "notice": None},
        {
            "name": "storage_bytes", "title": "Storage", "used": 1000, "limit": 1000, "share": 1.0,
            "notice": "Storage: 1 kB of 1 kB used. Nothing further starts until there is room: delete runs or retire "
            "models. An administrator can raise the quota.",
        },
        {
            "name": "tokens", "title": "Tokens of endpoints", "used": 80, "limit": 100, "share": 0.8,
            "notice": "Tokens of endpoints: 80 of 100 used (80%). An administrator can raise the quota.",
        },
    ]  # fmt: skip
