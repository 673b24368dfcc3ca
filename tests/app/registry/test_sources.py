"""Where base models come from: whose choice each is, and folders that look allowed and are not."""

import os
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select

from app.db import task_session
from app.models import AuditEvent, Model, ModelState, Project, Role
from app.registry import sources
from app.runs import preparation, queries
from app.settings import get_settings
from app.web.errors import Invalid
from rlhf.tiny_model import tiny_model
from tests import factories
from workers.runs import preparation as work
from workers.runs.execution import execute


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> Any:
    """`allowed/good` is a model that may be used; `hone` is Hone's own data, with a model of another project."""
    for folder in ("allowed/good", "hone/store/models/run-7", "outside/model", "allowed-too/model"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text("{}")
        (tmp_path / folder / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setenv("HONE_DATA_DIR", str(tmp_path / "hone"))
    monkeypatch.setenv("HONE_MODEL_FOLDERS", f"{tmp_path / 'allowed'}:{tmp_path / 'hone'}:/nowhere")
    monkeypatch.setenv("REDIS_URL", redis_url)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def forbidden(root: Path) -> list[str]:
    """Folders that no administrator may name either."""
    allowed = root / "allowed"
    (allowed / "to-store").symlink_to(root / "hone/store/models/run-7")
    (allowed / "to-outside").symlink_to(root / "outside/model")
    (allowed / "twice").symlink_to(allowed / "to-outside")
    (allowed / "circle").symlink_to(allowed / "circle")
    (allowed / "file").write_text("no folder")
    (root / "outside/back").symlink_to(root / "outside/model")
    linked = allowed / "linked-weights"
    linked.mkdir()
    (linked / "config.json").write_text("{}")
    (linked / "model.safetensors").symlink_to(root / "hone/store/models/run-7/model.safetensors")
    deep = allowed / "linked-below/inner"
    deep.mkdir(parents=True)
    (deep / "tokenizer.json").symlink_to("/etc/hostname")
    dangling = allowed / "dangling"
    dangling.mkdir()
    (dangling / "later.safetensors").symlink_to(root / "outside/later")
    return [
        f"{root}/hone/store/models/run-7", f"{root}/hone", f"{root}/hone/store", str(root), "/",
        f"{allowed}/to-store", f"{allowed}/to-outside", f"{allowed}/twice", f"{allowed}/circle", f"{allowed}/file",
        f"{allowed}/missing", f"{allowed}/../outside/model", f"{allowed}/good/../../outside/model",
        f"{allowed}/../hone/store/models/run-7", f"{allowed}/good/../../hone/store/models/run-7",
        f"{root}/allowed-too/model", f"{root}/outside/model", f"{root}/outside/back", f"{root}/outside/missing",
        f"{linked}", f"{allowed}/linked-below", f"{dangling}", "/etc", "/etc/passwd", "/nowhere", "/nowhere/else",
        "/proc/self/root/etc", f"/proc/self/root{root}/outside/model", "/proc/self/cwd", "/dev/fd", "~", "~/models",
        "~root", "~nobody-of-this-name", ".", "..", "./tests", "../..", "/" + "x" * 400, f"{allowed}/good\x00/x",
        f"//{root}/outside/model", f"{root}/./outside//model/",
    ]  # fmt: skip


def test_every_forbidden_folder_has_one_answer(places):
    for text in forbidden(places):
        with pytest.raises(Invalid) as refusal:
            sources.named(text)
        assert refusal.value.message == sources.NO_PLACE, text


def test_a_folder_inside_an_allowed_one_is_kept_without_links_in_its_path(places):
    good = str(places / "allowed/good")
    (places / "allowed/alias").symlink_to(good)
    (places / "allowed/good/shared.json").symlink_to(places / "allowed/good/config.json")
    for text in (good, f"{good}/", f"{places}/allowed/./good", f"{good}/../good", f"{places}/allowed/alias"):
        assert sources.named(text) == good
    assert sources.named("org/model-1.5") == "org/model-1.5"
    assert sources.named("tiny:3") == "tiny:3"


@pytest.mark.parametrize(
    "text",
    ["builtin:other", "tiny:-1", "tiny:99999999999999999999", "tiny:²", "tiny:", "a/b/c", "model", "file:///etc",
     "org/..", "../model", "https://evil.example/model", "org/na me", "org/name\n", "ORG\\name", "hf:org/name", "s3://bucket/x"],
)  # fmt: skip
def test_what_is_no_source_is_refused(places, text):
    with pytest.raises(Invalid):
        sources.named(text)


def test_a_manager_chooses_what_is_free_or_offered_and_learns_nothing_else(as_, cast, session, places):
    assert sources.is_free(get_settings().base_model)

    def create(who: str, source: str) -> Any:
        browser = as_(who)
        body = {"name": "P", "base_model": source, "starter_prompts": False}
        return browser.post("/api/v1/projects", json=body, headers={"X-CSRF-Token": browser.csrf()})

    told = set()
    good = str(places / "allowed/good")
    for source in [*forbidden(places)[:12], good, "org/model", "builtin:other", f"{places}/allowed/missing"]:
        answer = create("colleague", source)
        assert answer.status_code == 422
        told.add(answer.json()["errors"]["base_model"])
    assert told == {sources.NOT_OFFERED}
    assert session.scalars(select(Model.source).where(Model.source.like("/%"))).all() == []
    assert create("colleague", "tiny:5").status_code == 201
    assert create("admin", good).status_code == 201
    assert create("admin", "org/model").status_code == 201
    assert create("colleague", good).status_code == 201
    assert create("colleague", "org/model").status_code == 201
    events = session.scalars(select(AuditEvent).where(AuditEvent.action == "base_model.offered")).all()
    assert [event.details["source"] for event in events] == [good, "org/model"]


def test_the_page_offers_a_list_to_managers_and_a_field_to_administrators(as_, cast, session, places):
    factories.base_model(session, name="offered one", source="org/offered", offered=True)
    factories.base_model(session, name="unasked one", source="org/unasked")
    page = as_("manager").get("/projects/new").text
    assert '<option value="org/offered">offered one</option>' in page
    assert "unasked" not in page
    assert "<select" not in as_("admin").get("/projects/new").text
    answer = as_("manager").submit("/projects/new", name="P", base_model="/etc")
    assert answer.status_code == 422
    assert "not offered here" in answer.text


def test_a_token_without_the_scope_of_administrators_names_nothing(client, cast, session, places):
    factories.member(session, cast.project, cast.admin, Role.MANAGER)  # who may have projects at all
    headers = client.bearer(cast.admin, "read", "manage")
    body = {"name": "P", "base_model": str(places / "allowed/good"), "starter_prompts": False}
    assert client.post("/api/v1/projects", json=body, headers=headers).status_code == 422


def prepared(source: str, *, offered: bool) -> Model:
    with task_session() as session:
        model = preparation.base_model(session, source)
        model.offered = offered
        run = queries.preparation_of(session, model.id)
        assert run is not None
    execute(run.id, "here:1", "CPU", Event())
    with task_session() as session:
        return session.get_one(Model, model.id)


@pytest.mark.parametrize("source", ["to-store", "missing", "linked-weights", "../outside/model"])
def test_a_worker_reads_no_folder_that_may_not_be_read(database, places, source):
    forbidden(places)
    monkey = f"{places}/allowed/{source}"
    model = prepared(monkey, offered=True)
    assert (model.state, model.error) == (ModelState.FAILED, sources.NO_PLACE)
    assert list(get_settings().store.glob("models/base-*")) == []


def test_a_worker_reads_nothing_that_nobody_was_asked_about(database, places):
    assert prepared(str(places / "allowed/good"), offered=False).error == sources.NOT_OFFERED
    assert prepared("org/model", offered=False).error == sources.NOT_OFFERED


def test_a_link_turned_while_the_model_is_read_makes_it_unusable(database, places, monkeypatch):
    folder = places / "allowed/real"
    model, tokenizer = tiny_model(1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    call = work.Attempt.call

    def turn(*given: Any) -> None:
        call(*given)
        os.symlink("/etc/hostname", folder / "added.json")

    monkeypatch.setattr(work.Attempt, "call", turn)
    found = prepared(str(folder), offered=True)
    assert (found.state, found.error) == (ModelState.FAILED, sources.NO_PLACE)
    assert list(get_settings().store.glob("models/base-*")) == []
    (folder / "added.json").unlink()
    monkeypatch.setattr(work.Attempt, "call", call)
    assert prepared(str(folder), offered=True).state is ModelState.READY


def test_a_base_model_from_before_that_nobody_offered_is_not_handed_out(as_, cast, session, places):
    def base_of(project: Project, source: str, **more: Any) -> str:
        model = factories.base_model(session, source=source, artifact="models/run-7", **more)
        project.base_model_id = model.id
        session.flush()
        return f"/projects/{project.id}/models/{model.id}/file"

    taken = base_of(cast.project, f"{places}/hone/store/models/run-7")
    assert as_("manager").get(taken).status_code == 403
    assert as_("admin").get(taken).status_code == 200
    given = base_of(cast.project, "org/offered", offered=True)
    assert as_("manager").get(given).status_code == 200
    assert as_("annotator").get(given).status_code == 403
    assert as_("colleague").get(given).status_code == 404
    assert as_("manager").get(base_of(cast.project, "tiny:4")).status_code == 200
