"""The reward models' pages and their JSON API."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.annotation.demonstration import DemonstrationValue
from app.labels import leases
from app.labels import service as labels
from app.labels.new_label import NewLabel
from app.models import Label, Model, ModelKind, Outcome, Preference, Run, Split, TrainingConfig
from app.rewards import service
from app.rewards.method import REWARD
from app.runs import service as runs
from app.runs import training
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture(autouse=True)
def labelled(session: Session, cast: Cast, stored: Any) -> None:
    """Twelve pairs that the annotator has labelled."""
    stored(cast.project.base_model)
    for n in range(12):
        split = Split.HOLDOUT if n % 3 == 0 else Split.TRAIN
        prompt = factories.prompt(session, cast.project, f"Question {n}?", split=split)
        item = factories.item(session, prompt, cast.project.base_model, slots_left=0)
        factories.label(session, item, cast.annotator, Outcome.FIRST if n % 2 else Outcome.SECOND)


@pytest.fixture
def model(session: Session, cast: Cast, stored: Any) -> Model:
    """A reward model that has scored everything and favours answer a."""
    run = training.start(session, cast.project, cast.manager, REWARD)
    summary = {
        "pairs": 8,
        "eval_accuracy": 0.5,
        "eval_accuracy_low": 0.15,
        "eval_accuracy_high": 0.85,
        "eval_ece": 0.1,
        "eval_loss": 0.7,
        "score_mean": 0.0,
        "score_std": 1.0,
    }
    made = REWARD.finished(session, run, summary, f"models/run-{run.id}")
    stored(made)
    run.state = "succeeded"
    scoring = service.scoring_run(session, made)
    assert scoring is not None
    first = {label.item.responses[0].id for label in session.scalars(select(Label))}
    rows = service.rows_to_score(session, scoring)
    service.add_scores(session, scoring, [row | {"score": float(row["response_id"] in first)} for row in rows])
    scoring.state = "succeeded"
    session.flush()
    return made


@pytest.fixture
def improved(session: Session, cast: Cast) -> Label:
    """The annotator has improved a response."""
    prompt = factories.prompt(session, cast.project, "What is a tree?")
    shown = [factories.response(session, prompt, cast.project.base_model, text="A plant.")]
    factories.item(session, prompt, cast.project.base_model, kind="demonstration", responses=shown)
    task = leases.claim_item(session, cast.project, cast.annotator)
    assert task is not None
    answer = NewLabel(DemonstrationValue(text="A tall plant."))
    done = labels.submit(session, cast.project, cast.annotator, None, task.id, answer)
    return session.get_one(Label, done.label_id)


def test_an_improved_answer_is_scored_and_disputed_like_any_other(
    session: Session, cast: Cast, as_: As, improved: Label, model: Model
) -> None:
    report = model.metrics["report"]
    assert improved.id in {each["label_id"] for each in report["disputed"]}  # the model likes it less
    page = as_("manager").get(f"/projects/{cast.project.id}/rewards/{model.id}").text
    assert "A plant." in page
    assert "A tall plant." in page


def test_the_form_starts_a_training_with_the_given_settings(as_: As, cast: Cast, session: Session) -> None:
    browser = as_("manager")
    base = f"/projects/{cast.project.id}"
    page = browser.get(f"{base}/rewards").text
    assert "<b>8</b><span>pairs to learn from</span>" in page
    assert "<b>4</b><span>holdout pairs to measure on</span>" in page
    given = {"num_train_epochs": "1", "learning_rate": "3e-5", "use_peft": "true", "seed": "5"}
    answer = browser.submit(f"{base}/train/reward", **given)
    assert answer.status_code == 303
    run = session.get_one(Run, int(answer.headers["location"].rsplit("/", 1)[1]))
    settings = run.asked(TrainingConfig).settings
    assert (settings["num_train_epochs"], settings["learning_rate"], settings["use_peft"]) == (1.0, 3e-5, True)
    assert (settings["seed"], settings["train_batch_size"], run.created_by_id) == (5, 16, cast.manager.id)
    assert browser.submit(f"{base}/train/reward").status_code == 409


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("learning_rate", "7", "This must be at most 0.1."),
        ("num_train_epochs", "0", "This must be at least 0.01."),
        ("heads", "many", "Please give a whole number."),
        ("aggregation", "vote", "must be one of"),
        ("learning_rate", "nan", "Please give a finite number."),
    ],
)
def test_settings_out_of_range_are_said_beside_their_field(
    as_: As, cast: Cast, session: Session, field: str, value: str, said: str
) -> None:
    answer = as_("manager").submit(f"/projects/{cast.project.id}/train/reward", **{field: value})
    assert answer.status_code == 422
    assert f'id="error-{field}"' in answer.text
    assert said in answer.text
    assert session.scalars(select(Run)).all() == []


def test_an_unknown_setting_is_refused(as_: As, cast: Cast) -> None:
    answer = as_("manager").submit(f"/projects/{cast.project.id}/train/reward", output="/etc")
    assert answer.status_code == 422
    assert "no field named output" in answer.text


def test_no_labels_no_training(as_: As, cast: Cast, session: Session) -> None:
    for stated in session.scalars(select(Preference)):
        stated.outcome, stated.probability = Outcome.BOTH_BAD, None
    session.flush()
    answer = as_("manager").submit(f"/projects/{cast.project.id}/train/reward")
    assert answer.status_code == 409
    assert "no usable labels yet" in answer.text


def test_a_question_is_chosen_where_the_project_asks_any(as_: As, cast: Cast, session: Session) -> None:
    browser = as_("manager")
    place = f"/projects/{cast.project.id}/train/reward"
    assert 'name="question"' not in browser.get(place).text
    cast.project.answer = cast.project.answer.model_copy(update={"questions": ["Which is kinder?"]})
    for label in session.scalars(select(Label)):
        stated = Preference(question="Which is kinder?", first=0, second=1, outcome=Outcome.FIRST, probability=1.0)
        label.preferences = [*label.preferences, stated]
    session.flush()
    assert '<option value="Which is kinder?">' in browser.get(place).text
    assert browser.submit(place, question="Which is longer?").status_code == 422
    answer = browser.submit(place, question="Which is kinder?")
    assert answer.status_code == 303
    run = session.get_one(Run, int(answer.headers["location"].rsplit("/", 1)[1]))
    assert run.asked(TrainingConfig).options["question"] == "Which is kinder?"
    assert "Which is kinder?" in browser.get(f"/projects/{cast.project.id}/runs").text
    model = REWARD.finished(session, run, {}, f"models/run-{run.id}")
    page = browser.get(f"/projects/{cast.project.id}/rewards/{model.id}").text
    assert "has learned from the answers to “<bdi>Which is kinder?</bdi>”" in page


def test_a_model_shows_what_it_learned_and_what_it_disputes(as_: As, cast: Cast, model: Model) -> None:
    page = as_("manager").get(f"/projects/{cast.project.id}/rewards/{model.id}").text
    assert "<b>50.0%</b>" in page
    assert "15% to 85%" in page
    assert cast.annotator.name in page
    assert page.count("Ask one more person") == 6  # half of the labels say b
    assert "Two labels" not in page
    assert " style=" not in page
    listed = as_("manager").get(f"/projects/{cast.project.id}/rewards").text
    assert model.name in listed


def test_a_disputed_label_is_sent_for_another(as_: As, cast: Cast, model: Model, session: Session) -> None:
    disputed = session.get_one(Label, model.metrics["report"]["disputed"][0]["label_id"])
    base = f"/projects/{cast.project.id}/rewards/{model.id}"
    answer = as_("manager").submit(f"{base}/disputed/{disputed.item_id}")
    assert answer.headers["location"] == f"{base}#disputed"
    session.expire_all()
    assert disputed.item.slots_left == 1
    assert "waits for another label" in as_("manager").get(base).text
    assert as_("manager").submit(f"{base}/disputed/{disputed.item_id}").status_code == 409


def test_any_text_is_scored(as_: As, cast: Cast, model: Model, session: Session) -> None:
    base = f"/projects/{cast.project.id}/rewards/{model.id}"
    answer = as_("manager").submit(f"{base}/score", prompt="Why <b>?", response="Because.")
    place = answer.headers["location"]
    assert place.endswith("#by-hand")
    page = as_("manager").get(place.split("#")[0]).text
    assert "appears here as soon as" in page
    assert "Why &lt;b&gt;?" in page
    run = session.get_one(Run, int(place.split("scored=")[1].split("#")[0]))
    service.add_scores(session, run, [row | {"score": 1.25} for row in service.rows_to_score(session, run)])
    run.state = "succeeded"
    session.flush()
    assert "<b>1.250</b>" in as_("manager").get(place.split("#")[0]).text
    assert as_("manager").submit(f"{base}/score", prompt="", response="x").status_code == 422


def test_a_model_of_another_project_does_not_exist_here(as_: As, cast: Cast, session: Session) -> None:
    foreign = factories.model(session, cast.other, kind=ModelKind.REWARD)
    base = f"/projects/{cast.project.id}/rewards/{foreign.id}"
    assert as_("manager").get(base).status_code == 404
    for action in ("scores", "score", "disputed/1"):
        assert as_("manager").submit(f"{base}/{action}", prompt="a", response="b").status_code == 404


def test_the_api_says_the_same(client: Browser, cast: Cast, model: Model, session: Session) -> None:
    headers = client.bearer(cast.manager)
    base = f"/api/v1/projects/{cast.project.id}/rewards"
    assert [each["id"] for each in client.get(base, headers=headers).json()["items"]] == [model.id]
    assert client.get(f"{base}/{model.id}", headers=headers).json()["metrics"]["report"]["labels"] == 12
    counts = client.get(f"{base}/labels", headers=headers).json()
    assert (counts["train"], counts["holdout"], counts["new"]) == (8, 4, 0)
    place = f"/api/v1/projects/{cast.project.id}/runs"
    settings = {"seed": 9, "aggregation": "reliability"}
    started = client.post(place, headers=headers, json={"method": "reward", "settings": settings})
    assert started.status_code == 201
    assert started.json()["config"]["options"]["aggregation"] == "reliability"
    wrong = client.post(place, headers=headers, json={"method": "reward", "settings": {"sed": 9}})
    assert (wrong.status_code, wrong.json()["errors"]["sed"]) == (
        422, "Reward training has no setting 'sed'. Did you mean seed?",
    )  # fmt: skip
    runs.request_cancel(session, None, session.get_one(Run, started.json()["id"]))
    scored = client.post(f"{base}/{model.id}/score", headers=headers, json={"prompt": "a", "response": "b"})
    assert scored.json()["config"]["texts"][0]["response"] == "b"


def test_a_run_is_copied_through_the_form_with_its_labels_or_with_todays(
    as_: As, cast: Cast, session: Session, model: Model
) -> None:
    browser, base = as_("manager"), f"/projects/{cast.project.id}"
    first = session.get_one(Run, model.run_id)
    config = first.asked(TrainingConfig)
    given = config.settings | {"learning_rate": 0.00033, "heads": 7}
    first.config = config.model_copy(update={"settings": given})
    item = factories.item(session, factories.prompt(session, cast.project), cast.project.base_model, slots_left=0)
    factories.label(session, item, cast.annotator)  # since then
    session.flush()
    assert f'href="{base}/train/reward?copy={first.id}"' in browser.get(f"{base}/runs/{first.id}").text
    page = browser.get(f"{base}/train/reward?copy={first.id}").text
    assert f'name="parent_id" value="{first.id}"' in page
    assert 'value="0.00033"' in page
    assert 'value="7"' in page
    wrong = browser.submit(f"{base}/train/reward", parent_id=str(first.id), same_inputs="true", learning_rate="-1")
    assert wrong.status_code == 422
    assert f'name="parent_id" value="{first.id}"' in wrong.text
    runs_made = []
    for same in ({"same_inputs": "true"}, {}):
        given = {"parent_id": str(first.id), "learning_rate": "0.0007", "heads": "7"}
        answer = browser.submit(f"{base}/train/reward", **given, **same)
        run = session.get_one(Run, int(answer.headers["location"].rsplit("/", 1)[1]))
        assert (run.parent_id, run.asked(TrainingConfig).settings["learning_rate"]) == (first.id, 0.0007)
        assert "parent_id" not in run.asked(TrainingConfig).settings
        runs.request_cancel(session, cast.manager, run)
        runs_made.append(run)
    assert runs_made[0].snapshot_id == first.snapshot_id
    assert runs_made[1].snapshot_id != first.snapshot_id
    assert f"run {runs_made[0].id}</a>" in browser.get(f"{base}/runs/{first.id}").text
    assert browser.get(f"{base}/train/reward?copy={first.id + 1000}").status_code == 422
    foreign = factories.training(session, cast.other)
    assert browser.submit(f"{base}/train/reward", parent_id=str(foreign.id)).status_code == 422
