"""Methods of training: everything asks the registry, so that one that is added here is in all places at once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.methods import METHODS, Method, reference, register
from app.models import ModelKind, ModelState, Run, RunKind, RunState, TrainingConfig
from app.runs import service, training
from app.web.errors import Conflict, Invalid
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.stirring import SCHEMA, Stirring

As = Callable[[str], Browser]


@pytest.fixture
def stir() -> Iterator[Method]:
    yield register(Stirring())
    del METHODS["stir"]


def test_an_added_method_is_on_every_page(as_: As, cast: Cast, session: Session, stir: Method) -> None:
    browser, base = as_("manager"), f"/projects/{cast.project.id}"
    assert f'href="{base}/train/stir"' in browser.get(f"{base}/policies").text
    assert "train/stir" not in browser.get(f"{base}/rewards").text
    page = browser.get(f"{base}/train/stir").text
    assert "Rounds (turns)" in page
    assert 'name="model"' not in page  # a setting of one machine
    answer = browser.submit(f"{base}/train/stir", rounds="4", rest="2")
    run = session.get_one(Run, int(answer.headers["location"].rsplit("/", 1)[1]))
    assert (run.kind, run.method, run.asked(TrainingConfig).settings) == (
        RunKind.TRAINING, "stir", {"rounds": 4, "rest": 2},
    )  # fmt: skip
    factories.run_metric(session, run, 1, 0.5, "swirl")
    shown = browser.get(f"{base}/runs/{run.id}").text
    assert "Stirring" in shown
    assert "How it turns." in shown
    assert f"Stirring {run.id}" in browser.get(f"{base}/runs?method=stir").text
    assert "No run fits this filter" in browser.get(f"{base}/runs?kind=sampling").text
    assert f"Stirring {run.id}" in browser.get(f"{base}/runs/compare?run={run.id}").text


def test_an_added_method_is_started_by_the_api(client: Browser, cast: Cast, stir: Method) -> None:
    headers, base = client.bearer(cast.manager), f"/api/v1/projects/{cast.project.id}"
    [listed] = [
        each for each in client.get(f"{base}/methods", headers=headers).json()["items"] if each["name"] == "stir"
    ]
    assert listed["settings"]["properties"]["rounds"]["default"] == 2
    assert listed["settings"]["x-rules"] == SCHEMA["x-rules"]
    made = client.post(f"{base}/runs", headers=headers, json={"method": "stir", "settings": {"rounds": 5}})
    assert (made.status_code, made.json()["method"]) == (201, "stir")
    unknown = client.post(f"{base}/runs", headers=headers, json={"method": "shake"})
    assert unknown.status_code == 422
    assert "There is no method 'shake'" in unknown.json()["errors"]["method"]


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"rest": 3}, "rest", "It cannot rest longer than it stirs."),
        ({"round": 3}, "round", "Stirring has no setting 'round'. Did you mean rounds?"),
        ({"zzz": 3}, "zzz", "Stirring has no setting 'zzz'. It takes "),
        ({"rounds": 10}, "rounds", "This must be at most 9."),
        ({"rounds": "many"}, "rounds", "Please give a whole number."),
        ({"rounds": True}, "form", "rounds takes a number, not true or false."),
    ],
)
def test_settings_are_refused_with_a_sentence(stir: Method, given: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        training.checked(stir, given)
    assert refused.value.errors[field].startswith(said)


def test_more_minibatches_than_responses_are_refused_beside_the_field(as_: As, cast: Cast, session: Session) -> None:
    factories.model(session, cast.project, kind=ModelKind.REWARD)
    answer = as_("manager").submit(f"/projects/{cast.project.id}/train/ppo", batch_size="4", num_mini_batches="8")
    assert answer.status_code == 422
    assert 'id="error-num_mini_batches"' in answer.text
    assert "each optimiser step needs one" in answer.text
    assert 'value="8"' in answer.text  # what was typed is kept
    assert session.query(Run).count() == 0


def test_a_run_of_a_method_that_is_gone_can_still_be_read(as_: As, cast: Cast, session: Session) -> None:
    run = factories.training(session, cast.project, "vanished", state=RunState.FAILED)
    page = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}").text
    assert f"vanished {run.id}" in page


def test_a_preparation_is_seen_by_those_who_wait_for_it(as_: As, cast: Cast, session: Session) -> None:
    cast.project.base_model.state = ModelState.FAILED
    run = factories.run(session, cast.project, RunKind.PREPARATION, state=RunState.FAILED, error="No such folder.")
    base = f"/projects/{cast.project.id}/runs"
    page = as_("manager").get(f"{base}/{run.id}").text
    assert "No such folder." in page
    assert "/resume" in page
    assert "/delete" not in page
    assert f"Preparation {run.id}" in as_("manager").get(base).text
    foreign = factories.run(session, cast.other, RunKind.PREPARATION)
    assert as_("manager").get(f"{base}/{foreign.id}").status_code == 404
    assert as_("manager").submit(f"{base}/{run.id}/delete").status_code == 403
    assert as_("manager").submit(f"{base}/{run.id}/clone").status_code == 409
    assert as_("manager").submit(f"{base}/{run.id}/resume").status_code == 303
    assert (run.state, cast.project.base_model.state) == (RunState.QUEUED, ModelState.PREPARING)
    assert as_("manager").submit(f"{base}/{run.id}/cancel").status_code == 403
    assert as_("admin").submit(f"{base}/{run.id}/cancel").status_code == 303
    assert (run.state, cast.project.base_model.state) == (RunState.CANCELLED, ModelState.FAILED)


def test_one_training_of_a_method_at_a_time(session: Session, stir: Method) -> None:
    project = factories.project(session)
    run = training.start(session, project, None, stir)
    with pytest.raises(Conflict, match=f"Stirring is running already .run {run.id}."):
        service.clone(session, None, run)


def test_the_reference_of_settings_is_that_of_the_forms() -> None:
    assert (Path(__file__).parents[3] / "docs" / "settings.md").read_text() == reference.page(), "run `make schemas`"
