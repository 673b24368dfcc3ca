"""The example extension, installed as a package, on a real `hone up`: its kind of items, source and method."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.models import User
from tests.faults.loop import make_project
from tests.faults.platform import Platform

EXAMPLE = Path(__file__).parents[2] / "examples" / "extension"
MODULES = "hone_example.rating,hone_example.source,hone_example.method,hone_example.training"
BETTER, WORSE = "Start with the smallest case, and check it by hand.", "That depends on what you need it for."
ASKED = 28  # labels, of 30 prompts: some are held out, and which is fixed by their text


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a platform with the package."""
    site = tmp_path_factory.mktemp("site")
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", site, EXAMPLE], check=True)
    return {"PYTHONPATH": str(site), "HONE_EXTENSIONS": MODULES}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, installed: dict[str, str]) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("extended") / "data")
    platform.env |= installed
    try:
        yield platform.start()
    finally:
        platform.stop()


class Api:
    """The JSON API as an administrator uses it."""

    def __init__(self, platform: Platform) -> None:
        with platform.session() as session:
            admin = session.get_one(User, session.scalar(select(func.min(User.id))))
            _, token = accounts.create_token(session, admin, "test", list(Scope), None)
        self._client = httpx.Client(
            base_url=f"{platform.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    def __call__(self, method: str, path: str, **more: Any) -> Any:
        answer = self._client.request(method, path, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.headers["content-type"] == "application/json" else answer.text

    def refusal(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        """Status and sentence of a request that is refused."""
        answer = self._client.post(path, json=body)
        return answer.status_code, answer.json()["detail"]


def hone(platform: Platform, *words: str) -> str:
    command = [sys.executable, "-c", "from workers.cli.main import main; main()", *words]
    return subprocess.run(command, env=platform.env, capture_output=True, text=True, check=True).stdout


def test_a_kind_a_source_and_a_method_from_outside_of_the_tree(platform: Platform) -> None:
    project_id = make_project(platform, "Extended")
    api, here = Api(platform), f"/projects/{project_id}"

    # The source: a model of it is offered, and every prompt gets its two canned responses.
    hone(platform, "models", "offer", "Canned responses", "--from", "canned")
    [canned] = [
        model for model in api("GET", f"{here}/models?answering=true")["items"] if model["name"] == "Canned responses"
    ]
    api("PATCH", here, json={"plan": {"sources": [{"model_id": canned["id"], "responses": 2}], "compare": "any"}})

    # The kind: it alone is asked.
    answer = api("GET", here)["answer"]
    kinds = {name: settings | {"share": 100 if name == "rating" else 0} for name, settings in answer["kinds"].items()}
    api("PATCH", here, json={"answer": answer | {"kinds": kinds}})

    def sampled() -> bool:
        return api("POST", f"{here}/items/sample", json={"count": 30})["run"] is not None

    platform.wait_for(sampled)  # once what the platform sampled by itself before these settings has ended

    def rated() -> dict[str, Any] | None:
        task: dict[str, Any] | None = api("POST", f"{here}/label/next")["task"]
        if task is not None and task["kind"] != "rating":  # sampled before the settings were changed
            api("POST", f"{here}/label/skip", json={"assignment_id": task["assignment_id"]})
            return None
        return task

    labelled = 0
    while labelled < ASKED:
        task = platform.wait_for(rated, 120)
        texts = [response["text"] for response in task["responses"]]
        assert sorted(texts) == [BETTER, WORSE]
        ratings = {str(place): "5" if text.startswith("Start") else "2" for place, text in enumerate(texts, 1)}
        given = {"assignment_id": task["assignment_id"], "kind": "rating", "fields": ratings}
        refused = api.refusal(f"{here}/label", given | {"fields": {"1": "6"}})
        assert refused == (422, "Rate both answers from 1 to 5.")
        api("POST", f"{here}/label", json=given)
        labelled += 1

    # Preferences, and what goes out.
    rows = [json.loads(line) for line in api("GET", f"{here}/exports/file?layout=trl").splitlines()]
    assert len(rows) == ASKED
    assert {row["chosen"] for row in rows} == {BETTER}
    own = [json.loads(line) for line in api("GET", f"{here}/exports/file").splitlines()]
    assert {tuple(sorted(json.loads(row["value"])["ratings"])) for row in own} == {(2, 5)}

    # The method: from the shell, as a run with a page, to a policy.
    assert "scale" in hone(platform, "runs", "methods")
    run = api("POST", f"{here}/runs", json={"method": "scale", "settings": {"steps": 5}})
    ended = platform.wait_for(
        lambda: (
            ((found := api("GET", f"{here}/runs/{run['id']}"))["state"] not in ("queued", "running") and found) or None
        ),
        120,
    )
    assert ended["state"] == "succeeded", ended
    assert ended["summary"]["steps"] == 5
    assert "Scaled by run" in json.dumps(api("GET", f"{here}/policies"))
