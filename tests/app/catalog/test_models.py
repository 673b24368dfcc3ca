"""Models are registered from elsewhere, listed, downloaded, tried again and retired, by page and by API."""

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.catalog import service
from app.models import (
    AuditEvent,
    Model,
    ModelKind,
    ModelState,
    PreparationConfig,
    Role,
    Run,
    RunKind,
    RunState,
    ScoringConfig,
)
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.policies import service as policies
from app.registry import answering, sources
from app.registry import service as registry
from app.runs import queries as runs_queries
from app.runs import service as runs
from app.settings import get_settings
from app.web.errors import Conflict
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def allowed(client: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that models may be taken from, with one in it."""
    folder = tmp_path / "allowed"
    good = folder / "trl-reward"
    good.mkdir(parents=True)
    (good / "config.json").write_text("{}")
    (good / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setenv("HONE_MODEL_FOLDERS", str(folder))
    monkeypatch.setenv("HONE_DATA_DIR", str(tmp_path / "hone"))
    get_settings.cache_clear()
    yield folder
    get_settings.cache_clear()


def place(cast: Cast) -> str:
    return f"/projects/{cast.project.id}/models"


def registered(session: Session, cast: Cast) -> list[Model]:
    return list(session.scalars(select(Model).where(Model.project_id == cast.project.id).order_by(Model.id)))


def test_an_administrator_registers_a_folder_or_a_hub_name(
    as_: As, client: Browser, cast: Cast, session: Session, allowed: Path
) -> None:
    page = as_("admin").get(place(cast)).text
    assert "Register a model from elsewhere" in page
    source = str(allowed / "trl-reward")
    answer = as_("admin").submit(place(cast), kind="reward", source=f"{allowed}/./trl-reward/", name="Theirs")
    assert answer.status_code == 303
    url = f"/api/v1{place(cast)}"
    body = {"kind": "policy", "source": "org/sft-model"}
    made = client.post(url, json=body, headers=client.bearer(cast.admin, "admin"))
    assert made.status_code == 201
    reward, policy = registered(session, cast)
    assert (reward.kind, reward.name, reward.source, reward.state) == (
        ModelKind.REWARD, "Theirs", source, ModelState.PREPARING,
    )  # fmt: skip
    assert (policy.kind, policy.name, made.json()["id"]) == (ModelKind.POLICY, "sft-model", policy.id)
    for model in (reward, policy):
        run = runs_queries.preparation_of(session, model.id)
        assert run is not None
        assert (run.project_id, run.state) == (cast.project.id, RunState.QUEUED)
        assert run.asked(PreparationConfig).source == model.source
        assert as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}").status_code == 200
    page = as_("manager").get(place(cast)).text
    assert "being fetched" in page
    assert "Register a model" not in page
    told = as_("manager").get(f"/projects/{cast.project.id}/audit").text
    assert f"registered Theirs from {source}" in told


def test_the_form_and_the_filter_have_labels_of_their_own(as_: As, cast: Cast) -> None:
    page = as_("admin").get(place(cast)).text
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert {'<label for="f-kind">What it is</label>', '<label for="by-kind">Kind</label>'} <= set(
        re.findall(r"<label.*?</label>", page)
    )


def test_only_an_administrator_registers(as_: As, client: Browser, cast: Cast, session: Session, allowed: Path) -> None:
    wanted = {"kind": "reward", "source": str(allowed / "trl-reward")}
    assert as_("manager").submit(place(cast), **wanted).status_code == 403
    assert as_("manager").submit("/models", source="org/x").status_code == 403
    factories.member(session, cast.project, cast.admin, Role.MANAGER)
    lesser = client.bearer(cast.admin, "read", "manage")  # without the scope of administrators
    assert client.post(f"/api/v1{place(cast)}", json=wanted, headers=lesser).status_code == 403
    assert registered(session, cast) == []


def test_what_may_not_be_read_or_is_no_model_is_refused_at_once_and_what_was_typed_stays(
    as_: As, client: Browser, cast: Cast, session: Session, allowed: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text("{}")
    (allowed / "link").symlink_to(outside)
    (allowed / "empty").mkdir()
    pickled = allowed / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}")
    (pickled / "pytorch_model.bin").write_bytes(b"pickle")
    bad = {
        str(outside): sources.NO_PLACE,
        f"{allowed}/../outside": sources.NO_PLACE,
        f"{allowed}/link": sources.NO_PLACE,
        f"{allowed}/missing": sources.NO_PLACE,
        str(tmp_path / "hone"): sources.NO_PLACE,
        f"{allowed}/empty": "no config.json",
        str(pickled): "a pickle can run code",
        "tiny:1": "This is a language model",
        "builtin:smollm2-135m-instruct": "This is a language model",
        "no/such/name": "Name a model",
        "": "This is needed",
    }
    for source, sentence in bad.items():
        answer = as_("admin").submit(place(cast), kind="reward", source=source, name="Kept")
        assert answer.status_code == 422, source
        assert sentence in unescape(answer.text), source
        assert 'value="Kept"' in answer.text
        said = client.post(
            f"/api/v1{place(cast)}",
            json={"kind": "reward", "source": source},
            headers=client.bearer(cast.admin, "admin"),
        )
        assert (said.status_code, list(said.json()["errors"])) == (422, ["source"]), source
    for body in (
        {"kind": "base", "source": "org/x"},
        {"source": "org/x"},
        {"kind": "reward", "source": "org/x", "y": 1},
    ):
        refused = client.post(f"/api/v1{place(cast)}", json=body, headers=client.bearer(cast.admin, "admin"))
        assert refused.status_code == 422
    assert registered(session, cast) == []
    assert session.scalars(select(Run)).all() == []


def test_a_model_is_registered_once_and_again_when_it_could_not_be_fetched(
    as_: As, cast: Cast, session: Session, allowed: Path
) -> None:
    wanted = {"kind": "policy", "source": "org/model", "name": ""}
    assert as_("admin").submit(place(cast), **wanted).status_code == 303
    twice = as_("admin").submit(place(cast), **wanted)
    assert (twice.status_code, "The project has this model already: model." in twice.text) == (422, True)
    [model] = registered(session, cast)
    with pytest.raises(Conflict, match="nothing to try again"):
        service.retry(session, cast.admin, model)
    run = runs_queries.preparation_of(session, model.id)
    assert run is not None
    run.state = RunState.FAILED
    registry.failed(session, model, "The hub cannot be reached.")
    page = as_("manager").get(place(cast)).text
    assert "The hub cannot be reached." in page
    assert as_("manager").submit(f"{place(cast)}/{model.id}/retry").status_code == 303
    session.expire_all()
    assert (model.state, run.state) == (ModelState.PREPARING, RunState.QUEUED)
    with pytest.raises(Conflict, match="not copied"):
        runs.clone(session, cast.manager, run)


def test_a_registered_policy_is_a_policy_as_any(as_: As, cast: Cast, session: Session, stored: Any) -> None:
    model = factories.model(session, cast.project, name="SFT", source="org/sft", parent_id=None, offered=True)
    stored(model)
    assert model in answering.choices(session, cast.project)
    assert as_("manager").get(f"/projects/{cast.project.id}/policies").text.count("SFT") >= 1
    assert "org/sft" in as_("manager").get(f"/projects/{cast.project.id}/policies/{model.id}").text
    policies.promote(session, cast.project, cast.manager, model, confirm_without_evaluation=True)
    assert policies.current_policy(cast.project).id == model.id


def test_a_download_is_a_tar_of_the_folder_and_names_no_place_of_the_server(
    as_: As, client: Browser, cast: Cast, session: Session, stored: Any
) -> None:
    for kind, name in ((ModelKind.POLICY, "Policy 1"), (ModelKind.REWARD, "Модель «x»/..")):
        model = factories.model(session, cast.project, kind=kind, name=name)
        folder = stored(model)
        (folder / "prepared.json").write_text('{"source": "/secret/place"}')
        (folder / "linked").symlink_to("/etc/hostname")
        (folder / "deep").mkdir()
        (folder / "deep" / "x.txt").write_bytes(b"x" * 700)
        called = "policy-1" if kind is ModelKind.POLICY else "x"
        for url in (place(cast), f"/api/v1{place(cast)}"):
            answer = as_("manager").get(f"{url}/{model.id}/file")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/x-tar"
            assert answer.headers["content-disposition"] == f'attachment; filename="{called}.tar"'
            assert int(answer.headers["content-length"]) == len(answer.content)
            with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
                assert tar.getnames() == [
                    f"{called}/{each}" for each in ("config.json", "deep/x.txt", "model.safetensors")
                ]
                member = tar.extractfile(f"{called}/model.safetensors")
                assert member is not None
                assert member.read() == f"weights of {name}".encode()
            assert str(get_settings().store).encode() not in answer.content
        for who, status in (("annotator", 403), ("colleague", 404)):
            assert as_(who).get(f"{place(cast)}/{model.id}/file").status_code == status
        assert as_("colleague").get(f"/projects/{cast.other.id}/models/{model.id}/file").status_code == 404
    lost = factories.model(session, cast.project, name="Lost")
    gone = client.get(f"/api/v1{place(cast)}/{lost.id}/file", headers=client.bearer(cast.manager, "read"))
    assert (gone.status_code, "files of Lost are gone" in gone.json()["detail"]) == (409, True)


def test_a_retired_model_is_in_no_choice_and_on_record(
    as_: As, client: Browser, cast: Cast, session: Session, stored: Any
) -> None:
    policy = factories.model(session, cast.project, name="Policy 1")
    reward = factories.model(session, cast.project, kind=ModelKind.REWARD, name="Reward model 1")
    folders = [stored(model) for model in (policy, reward)]
    response = factories.response(session, factories.prompt(session, cast.project), policy)
    assert as_("manager").submit(f"{place(cast)}/{policy.id}/retire").status_code == 303
    url = f"/api/v1{place(cast)}"
    retired = client.post(f"{url}/{reward.id}/retire", headers=client.bearer(cast.manager, "manage"))
    assert (retired.status_code, retired.json()["state"]) == (200, "archived")
    session.expire_all()
    assert (policy.state, policy.artifact, response.model_id) == (ModelState.ARCHIVED, None, policy.id)
    assert policy not in answering.choices(session, cast.project)
    assert registry.newest(session, cast.project.id, ModelKind.REWARD) is None
    for model, page in ((policy, "policies"), (reward, "rewards")):
        assert "is retired" in as_("manager").get(f"/projects/{cast.project.id}/{page}/{model.id}").text
        with pytest.raises(Conflict, match="is retired already"):
            service.retire(session, cast.manager, model)
    listed = client.get(url, headers=client.bearer(cast.manager, "read"), params={"state": "archived"}).json()["items"]
    assert [each["id"] for each in listed] == [reward.id, policy.id]
    assert not any(folder.exists() for folder in folders)


def test_what_somebody_needs_is_not_retired(as_: As, cast: Cast, session: Session, stored: Any) -> None:
    project, base = cast.project, cast.project.base_model
    policy = factories.model(session, project, name="Policy 1")
    reward = factories.model(session, project, kind=ModelKind.REWARD, name="Reward model 1")
    for model in (base, policy, reward):
        stored(model)

    def refused(model: Model, sentence: str) -> None:
        with pytest.raises(Conflict, match=sentence):
            service.retire(session, cast.admin, model)
        assert model.state is ModelState.READY

    refused(base, "is the base model of Ours. Choose another one there first")
    page = as_("manager").submit(f"{place(cast)}/{base.id}/retire")
    assert (page.status_code, "Only an administrator" in page.text) == (403, True)
    project.policy = policy
    refused(policy, "is the current policy of Ours")
    project.policy = None
    for plan in (SamplingPlan(sources=[PlannedSource(model_id=policy.id)]), SamplingPlan(chat_model_id=policy.id)):
        project.plan = plan
        session.flush()
        refused(policy, "of Ours names Policy 1")
    project.plan = SamplingPlan()
    run = factories.training(session, project, "ppo", model_id=base.id, reward_model_id=reward.id)
    refused(reward, "A run needs Reward model 1")
    run.state = RunState.SUCCEEDED
    scoring = factories.run(session, project, RunKind.SCORING, config=ScoringConfig(policy_ids=[policy.id]))
    refused(policy, "A run needs Policy 1")
    scoring.state = RunState.FAILED
    session.flush()
    assert [service.retire(session, cast.manager, model).state for model in (policy, reward)] == [
        ModelState.ARCHIVED
    ] * 2


def test_base_models_are_the_administrators(
    as_: As, client: Browser, cast: Cast, session: Session, stored: Any
) -> None:
    headers = client.bearer(cast.admin, "admin")
    assert as_("admin").submit("/models", source="org/base").status_code == 303
    again = client.post("/api/v1/models", json={"source": "org/base"}, headers=headers)
    assert (again.status_code, again.json()["state"]) == (201, "preparing")
    model = session.scalars(select(Model).where(Model.source == "org/base")).one()
    assert (model.offered, model.project_id) == (True, None)
    typed = as_("admin").submit("/models", source="/etc")
    assert (typed.status_code, 'value="/etc"' in typed.text, sources.NO_PLACE in unescape(typed.text)) == (
        422,
        True,
        True,
    )
    page = as_("admin").get("/models").text
    assert "org/base" in page
    assert "Ours" in page  # of the base model of the cast's project
    assert client.get(f"/api/v1/models/{model.id}", headers=headers).json()["source"] == "org/base"
    policy = factories.model(session, cast.project)
    assert client.get(f"/api/v1/models/{policy.id}", headers=headers).status_code == 404
    fetched = runs_queries.preparation_of(session, model.id)
    assert fetched is not None
    fetched.state = RunState.SUCCEEDED
    model.state, model.artifact = ModelState.READY, "models/base-org"
    stored(model)
    assert client.get(f"/api/v1/models/{model.id}/file", headers=headers).status_code == 200
    assert client.post(f"/api/v1/models/{model.id}/retire", headers=headers).json()["state"] == "archived"
    assert model not in registry.offered(session)
    # Named again, it is fetched again.
    back = client.post("/api/v1/models", json={"source": "org/base"}, headers=headers).json()
    assert (back["id"], back["state"]) == (model.id, "preparing")
    run = runs_queries.preparation_of(session, model.id)
    assert run is not None
    run.state = RunState.FAILED
    registry.failed(session, model, "The hub is away.")
    assert client.post(f"/api/v1/models/{model.id}/retry", headers=headers).json()["state"] == "preparing"
    events = session.scalars(select(AuditEvent.action).where(AuditEvent.subject_id == model.id)).all()
    assert "model.archived" in events


def test_a_reward_model_that_could_not_be_fetched_shows_why(as_: As, cast: Cast, session: Session) -> None:
    model = factories.model(
        session, cast.project, kind=ModelKind.REWARD, name="Theirs", source="org/rm", state=ModelState.FAILED,
        artifact=None, error="It has no chat template.", parent_id=None,
    )  # fmt: skip
    page = as_("manager").get(f"/projects/{cast.project.id}/rewards/{model.id}").text
    assert "It has no chat template." in page
    assert "Score any answer" not in page
    assert "not fetched" in as_("manager").get(f"/projects/{cast.project.id}/rewards").text
