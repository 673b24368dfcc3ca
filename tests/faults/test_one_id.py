"""With JSON logs one request id leads from a click to the lines of the trainer that it started."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.db import task_session
from app.models import Project, Role, Run, RunState
from app.runs import folders
from app.settings import get_settings
from tests import factories
from tests.faults.hosts import Host
from tests.faults.web import Web
from tests.faults.work import World, ended


def objects(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; each is an object but what Celery says when it is asked to end, past all logging."""
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("worker: Warm shutdown")]
    assert [line for line in told if not line.startswith("{")] == []
    return [json.loads(line) for line in told]


def test_a_click_is_found_in_the_logs_of_web_worker_and_trainer(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HONE_LOG_FORMAT", "json")
    monkeypatch.setenv("HONE_INFERENCE_URL", "http://127.0.0.1:9/v1")
    get_settings.cache_clear()
    run_id = world.sample(2)
    with task_session() as session:
        run = session.get_one(Run, run_id)
        run.state = RunState.CANCELLED
        manager = factories.user(session)
        factories.member(session, session.get_one(Project, world.project_id), manager, Role.MANAGER)
        token = accounts.create_token(session, manager, "test", [Scope.READ, Scope.MANAGE])[1]
    with Web(tmp_path / "web.log") as web, web.client(token) as program:
        address = f"/api/v1/projects/{world.project_id}/runs/{run_id}/resume"
        answer = program.post(address, headers={"X-Request-ID": "click-77"})
        assert answer.json()["state"] == "queued", answer.text
    with Host("sampling", tmp_path / "worker.log", isolated=False):
        run = ended(run_id)
    assert run.state is RunState.SUCCEEDED
    assert run.request_id == "click-77"
    in_web = [line for line in objects(tmp_path / "web.log") if line.get("request") == "click-77"]
    assert any(address in line["message"] for line in in_web)
    in_worker = [line for line in objects(tmp_path / "worker.log") if line.get("request") == "click-77"]
    assert any("attempt 1" in line["message"] and line["run"] == run_id for line in in_worker)
    in_trainer = objects(folders.workspace(run) / "log.txt")
    assert in_trainer
    assert {(line["request"], line["run"], line["logger"]) for line in in_trainer} == {("click-77", run_id, "trainer")}
