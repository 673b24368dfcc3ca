"""SFT and DPO as methods of the platform: what they are given, what they refuse before anything is queued, and where
they are offered. That they train is in tests/workers/runs/test_learning.py."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import models as m
from app.annotation import RawLabel
from app.labels import leases
from app.labels import service as labels
from app.labels.new_label import read_label
from app.methods import METHODS
from app.policies.dpo import DPO
from app.policies.sft import SFT
from app.rewards import snapshots
from app.runs import training
from app.web.errors import Conflict, Invalid
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.asking import asking

As = Callable[[str], Browser]
WRITING = asking({"demonstration": {"share": 1, "start": "write"}}, share=0)


@pytest.fixture(autouse=True)
def files(cast: Cast, stored: Callable[[m.Model], Any]) -> None:
    stored(cast.project.base_model)


def write(session: Session, cast: Cast, text: str, split: m.Split = m.Split.TRAIN, began: str | None = None) -> m.Label:
    """What the annotator writes to a new prompt, or makes of a response to it."""
    cast.project.answer = WRITING
    prompt, base = factories.prompt(session, cast.project, split=split), cast.project.base_model
    responses = [factories.response(session, prompt, base, text=began)] if began else []
    factories.item(session, prompt, base, kind="demonstration", responses=responses)
    task = leases.claim_item(session, cast.project, cast.annotator)
    assert task is not None
    answer = read_label(cast.project.answer, task.kind, RawLabel(text))
    saved = labels.submit(session, cast.project, cast.annotator, None, task.id, answer)
    return session.get_one(m.Label, saved.label_id)


def compare(session: Session, cast: Cast, *outcomes: m.Outcome, split: m.Split = m.Split.TRAIN) -> None:
    """One pair for each outcome."""
    for outcome in outcomes:
        item = factories.item(session, factories.prompt(session, cast.project, split=split), cast.project.base_model)
        factories.label(session, item, cast.annotator, outcome)


def runs_of(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(m.Run)) or 0


def test_rows_are_what_people_wrote_on_either_side(session: Session, cast: Cast) -> None:
    for number in range(4):
        write(session, cast, f"Learned {number}.", began="A start." if number % 2 else None)
    write(session, cast, "Held out.", m.Split.HOLDOUT)
    old = write(session, cast, "Superseded.")
    old.superseded_at = func.now()
    session.flush()
    run = training.start(session, cast.project, cast.manager, SFT)
    assert (run.model_id, run.method, run.reward_model_id) == (cast.project.base_model_id, "sft", None)
    data = SFT.data(session, run)
    assert [row["completion"][0]["content"] for row in data.files["data"]] == [f"Learned {n}." for n in range(4)]
    [held_out] = data.files["eval_data"]
    assert held_out["completion"] == [{"role": "assistant", "content": "Held out."}]
    assert data.settings["holdout"] == 0.0
    assert run.snapshot is not None
    assert run.snapshot.label_count == 5


def test_written_responses_make_another_snapshot_and_old_hashes_stay(session: Session, cast: Cast) -> None:
    compare(session, cast, *[m.Outcome.FIRST] * 4)
    compare(session, cast, m.Outcome.FIRST, split=m.Split.HOLDOUT)
    before = snapshots.take(session, cast.project)
    write(session, cast, "Written.")
    after = snapshots.take(session, cast.project)
    assert before.content_hash != after.content_hash
    assert (before.label_count, after.label_count) == (5, 6)
    assert snapshots.training_rows(session, before) == snapshots.training_rows(session, after)
    assert snapshots.written_rows(session, before) == ([], [])


def test_too_few_written_responses_are_refused_before_anything_is_queued(session: Session, cast: Cast) -> None:
    for number in range(3):
        write(session, cast, f"Written {number}.")
        write(session, cast, f"Held out {number}.", m.Split.HOLDOUT)
    with pytest.raises(Conflict, match=r"too few .* 3 to training prompts \(3 others to held-out prompts, which only"):
        training.start(session, cast.project, cast.manager, SFT)
    assert (runs_of(session), session.scalar(select(func.count()).select_from(m.Snapshot))) == (0, 0)
    write(session, cast, "The fourth.")
    training.start(session, cast.project, cast.manager, SFT)


@pytest.mark.parametrize("method", ["dpo", "reward"])
def test_labels_that_prefer_nothing_are_refused_before_anything_is_queued(
    session: Session, cast: Cast, as_: As, client: Browser, method: str
) -> None:
    compare(session, cast, *[m.Outcome.TIE] * 5)
    compare(session, cast, m.Outcome.FIRST, split=m.Split.HOLDOUT)
    opposed = factories.item(session, factories.prompt(session, cast.project), cast.project.base_model)
    for person, outcome in ((cast.annotator, m.Outcome.FIRST), (cast.manager, m.Outcome.SECOND)):
        factories.label(session, opposed, person, outcome)
    sentence = "All 6 pairs to learn from are ties, or their labels cancel out"
    page = as_("manager").submit(f"/projects/{cast.project.id}/train/{method}", seed="1")
    assert page.status_code == 409
    assert sentence in page.text
    headers, url = client.bearer(cast.manager), f"/api/v1/projects/{cast.project.id}/runs"
    answer = client.post(url, headers=headers, json={"method": method})
    assert (answer.status_code, sentence in answer.text) == (409, True)
    assert (runs_of(session), session.scalar(select(func.count()).select_from(m.Snapshot))) == (0, 0)
    compare(session, cast, m.Outcome.SECOND)
    assert client.post(url, headers=headers, json={"method": method}).status_code == 201


def test_dpo_reads_soft_labels_by_the_question_that_is_chosen(session: Session, cast: Cast) -> None:
    cast.project.answer = asking(questions=["Which is kinder?"])
    compare(session, cast, *[m.Outcome.FIRST] * 4)
    compare(session, cast, m.Outcome.FIRST, split=m.Split.HOLDOUT)
    item = factories.item(session, factories.prompt(session, cast.project), cast.project.base_model)
    outcomes = (m.Outcome.FIRST, m.Outcome.FIRST, m.Outcome.SECOND)
    for person, outcome in zip((cast.annotator, cast.manager, factories.user(session)), outcomes, strict=True):
        factories.label(session, item, person, outcome)
    run = training.start(session, cast.project, cast.manager, DPO, DPO.form(beta=0.2))
    rows = {row["pair_id"]: row for row in DPO.data(session, run).files["data"]}
    assert len(rows) == 5
    assert rows[item.id]["preference"] == pytest.approx(2 / 3)
    assert run.asked(m.TrainingConfig).settings["beta"] == 0.2
    assert "beta" not in run.asked(m.TrainingConfig).options
    with pytest.raises(Invalid, match="does not ask that question"):
        training.start(session, cast.project, cast.manager, DPO, DPO.form(question="Which is longer?"))
    with pytest.raises(Conflict, match="no usable labels"):
        training.start(session, cast.project, cast.manager, DPO, DPO.form(question="Which is kinder?"))


def test_it_starts_from_the_policy_in_use_or_from_the_base_model(
    session: Session, cast: Cast, stored: Callable[[m.Model], Any]
) -> None:
    policy = factories.model(session, cast.project)
    stored(policy)
    cast.project.policy_id = policy.id
    compare(session, cast, *[m.Outcome.FIRST] * 4)
    compare(session, cast, m.Outcome.FIRST, split=m.Split.HOLDOUT)
    session.flush()
    session.refresh(cast.project)
    ours = training.start(session, cast.project, cast.manager, DPO)
    ours.state = m.RunState.FAILED
    session.flush()
    base = training.start(session, cast.project, cast.manager, DPO, DPO.form(start_from="base"))
    assert (ours.model_id, base.model_id) == (policy.id, cast.project.base_model_id)


def test_they_are_on_pages_and_in_the_api_with_their_settings(session: Session, cast: Cast, as_: As) -> None:
    manager, base = as_("manager"), f"/projects/{cast.project.id}"
    listed = manager.get(f"{base}/policies").text
    methods = manager.get(f"/api/v1{base}/methods", headers=manager.bearer(cast.manager)).json()["items"]
    for name, own in (("sft", "max_length"), ("dpo", "beta")):
        assert f"{base}/train/{name}" in listed
        page = manager.get(f"{base}/train/{name}").text
        assert f'name="{own}"' in page
        assert 'name="start_from"' in page
        assert 'name="eval_data"' not in page
        [view] = [each for each in methods if each["name"] == name]
        assert own in view["settings"]["properties"]
        assert view["makes"] == "policy"
        assert METHODS[name].verb in page
    refused = manager.submit(f"{base}/train/dpo", beta="0", num_train_epochs="0.5")
    assert refused.status_code == 422
    assert 'id="error-beta"' in refused.text
    assert 'value="0.5"' in refused.text  # what was typed is kept
    assert runs_of(session) == 0


def test_figures_of_either_are_on_the_policys_page(session: Session, cast: Cast, as_: As) -> None:
    manager, base = as_("manager"), f"/projects/{cast.project.id}"
    compare(session, cast, *[m.Outcome.FIRST] * 4)
    compare(session, cast, m.Outcome.FIRST, split=m.Split.HOLDOUT)
    for number in range(4):
        write(session, cast, f"Written {number}.")
    cast.project.answer = asking()
    for method, summary, said in (
        (DPO, {"eval_accuracy": 0.625, "eval_loss": 0.65, "seconds": 3.0}, "tells the preferred one in 62% of"),
        (SFT, {"eval_loss": 2.5, "seconds": 3.0}, "reached a holdout loss of 2.500 nats a token"),
    ):
        run = training.start(session, cast.project, cast.manager, method)
        run.state, run.summary = m.RunState.SUCCEEDED, summary  # type: ignore[assignment]
        made = method.finished(session, run, summary, f"models/run-{run.id}")  # type: ignore[arg-type]
        page = manager.get(f"{base}/policies/{made.id}").text
        assert said in page
        assert f"by {method.title}" in page
        assert f", from {cast.project.base_model.name}" in manager.get(f"{base}/runs/{run.id}").text
