"""The policies' pages and their JSON API."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.models import EvaluationConfig, Item, Model, ModelKind, Outcome, Run, RunState, Split, TrainingConfig
from app.policies import evaluations, results
from app.runs import service as runs
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def policy(session: Session, cast: Cast, stored: Any) -> Model:
    stored(cast.project.base_model)
    model: Model = factories.model(
        session,
        cast.project,
        name="Policy 1",
        metrics={"kl": 2.5, "reward_before": -0.1, "reward_after": 0.4, "kl_budget": 20.0},
    )
    stored(model)
    for n in range(8):
        factories.prompt(session, cast.project, f"Holdout {n}?", split=Split.HOLDOUT)
    return model


@pytest.fixture
def reward(session: Session, cast: Cast, stored: Any) -> Model:
    model: Model = factories.model(session, cast.project, kind=ModelKind.REWARD, name="Reward model 1")
    stored(model)
    return model


def drawn(prompts: list[dict[str, Any]], word: str) -> list[dict[str, Any]]:
    answer = {"finish_reason": "stop", "tokens": 3, "strategy": "stochastic", "temperature": 1.0, "seed": 0}
    return [prompt | {"responses": [answer | {"text": f"{word} {prompt['id']}"}]} for prompt in prompts]


def sampled(session: Session, run: Run) -> list[Item]:
    """The worker's part of an evaluation."""
    prompts = evaluations.evaluation_prompts(session, run)
    evaluations.add_evaluation_items(session, run, [drawn(prompts, "new <i>"), drawn(prompts, "old")])
    run.state = RunState.SUCCEEDED
    session.flush()
    return list(session.query(Item).filter(Item.run_id == run.id).order_by(Item.id))


def test_the_gain_is_shown_with_its_interval(as_: As, cast: Cast, policy: Model, session: Session) -> None:
    base = f"/projects/{cast.project.id}/policies"
    page = as_("manager").get(f"{base}/{policy.id}").text
    assert "gained" not in page  # made before gains were measured
    gain = {"reward_gain": 0.512, "reward_gain_low": -0.1, "reward_gain_high": 1.124, "reward_prompts": 20}
    for chose, words in ((False, "had no part in choosing"), (True, "also chose the policy")):
        policy.metrics = policy.metrics | gain | {"reward_prompts_chose": chose}
        session.flush()
        page = " ".join(as_("manager").get(f"{base}/{policy.id}").text.split())
        assert "95% interval -0.100 to 1.124, on 20 holdout prompts" in page
        assert words in page
    assert "(-0.10 to 1.12)" in as_("manager").get(base).text


def test_ppo_is_started_from_the_form(as_: As, cast: Cast, policy: Model, reward: Model, session: Session) -> None:
    page = as_("manager").get(f"/projects/{cast.project.id}/policies").text
    assert "Policy 1: reward 0.40 at KL 2.50" in page
    base = f"/projects/{cast.project.id}/train/ppo"
    assert f'href="{base}"' in page
    assert "Reward model 1" in as_("manager").get(base).text
    answer = as_("manager").submit(base, reward_model_id=str(reward.id), total_episodes="64", beta="0.1")
    run = session.get_one(Run, int(answer.headers["location"].rsplit("/", 1)[1]))
    assert (run.reward_model_id, run.asked(TrainingConfig).settings["total_episodes"]) == (reward.id, 64)
    wrong = as_("manager").submit(base, kl_budget="-1")
    assert wrong.status_code == 422
    assert 'id="error-kl_budget"' in wrong.text


def test_a_ppo_run_is_copied_through_the_form(
    as_: As, cast: Cast, policy: Model, reward: Model, session: Session, stored: Any
) -> None:
    browser, base = as_("manager"), f"/projects/{cast.project.id}"
    newer = factories.model(session, cast.project, kind=ModelKind.REWARD, name="Reward model 2")
    stored(newer)
    config = TrainingConfig(settings={"total_episodes": 48, "beta": 0.11})
    first = factories.training(
        session, cast.project, "ppo", state=RunState.FAILED, config=config, model_id=policy.id,
        reward_model_id=reward.id,
    )  # fmt: skip
    page = browser.get(f"{base}/train/ppo?copy={first.id}").text
    assert f'<option value="{reward.id}" selected>' in page
    assert 'value="48"' in page
    fields = {"parent_id": str(first.id), "reward_model_id": str(reward.id), "total_episodes": "32"}
    answer = browser.submit(f"{base}/train/ppo", same_inputs="true", **fields)
    run = session.get_one(Run, int(answer.headers["location"].rsplit("/", 1)[1]))
    assert (run.parent_id, run.model_id, run.reward_model_id) == (first.id, policy.id, reward.id)
    assert run.asked(TrainingConfig).settings["total_episodes"] == 32
    runs.request_cancel(session, cast.manager, run)
    answer = browser.submit(f"{base}/train/ppo", **fields)
    run = session.get_one(Run, int(answer.headers["location"].rsplit("/", 1)[1]))
    assert (run.parent_id, run.model_id) == (first.id, cast.project.base_model_id)  # what is in use now


def test_without_a_reward_model_the_page_says_where_to_get_one(as_: As, cast: Cast, policy: Model) -> None:
    assert "PPO needs a reward model" in as_("manager").get(f"/projects/{cast.project.id}/policies").text
    answer = as_("manager").submit(f"/projects/{cast.project.id}/train/ppo")
    assert (answer.status_code, "no reward model yet" in answer.text) == (409, True)


def test_evaluate_and_promote_on_evidence(as_: As, cast: Cast, policy: Model, session: Session) -> None:
    browser = as_("manager")
    base = f"/projects/{cast.project.id}/policies"
    answer = browser.submit(f"{base}/{policy.id}/evaluations", comparisons="24", overlap="1")
    place = answer.headers["location"]
    run = session.get_one(Run, int(place.rsplit("/", 1)[1]))
    assert (run.model_id, run.baseline_id) == (policy.id, cast.project.base_model_id)
    run.config = run.asked(EvaluationConfig).model_copy(update={"comparisons": 8})
    for item in sampled(session, run):
        factories.label(session, item, cast.annotator, Outcome.FIRST)
    page = browser.get(place).text
    assert "<b>100.0%</b>" in page
    assert "8 of 8 pairs judged" in page
    assert "new &lt;i&gt;" in page
    assert page.count("preferred") == 8
    result = results.evaluation_result(session, run)
    shown = browser.get(f"{base}/{policy.id}").text
    assert f"{result.low:.0%} to 100%" in shown
    assert "Before and after, on the same prompts" in shown
    assert shown.count("old ") == shown.count("new &lt;i&gt; ") == 5  # prompts, each with what either wrote
    assert "None yet. Promoting a policy" in shown
    answer = browser.submit(f"{base}/{policy.id}/promote")
    assert answer.status_code == 303
    session.refresh(cast.project)
    assert cast.project.policy_id == policy.id
    for page in (f"{base}/{policy.id}", base):
        told = " ".join(browser.get(page).text.split())
        assert f"promoted Policy 1 in place of {cast.project.base_model.name}: 100% blind wins" in told
        assert f"(95% interval {result.low:.0%} to 100%)" in told
    assert browser.submit(f"{base}/{policy.id}/evaluations", comparisons="0").status_code == 422


def test_promotion_without_evidence_asks_once_more(as_: As, cast: Cast, policy: Model, session: Session) -> None:
    browser = as_("manager")
    base = f"/projects/{cast.project.id}/policies"
    asked = browser.submit(f"{base}/{policy.id}/promote")
    assert asked.status_code == 409
    assert 'name="confirm_without_evaluation"' in asked.text
    session.refresh(cast.project)
    assert cast.project.policy_id is None
    assert browser.submit(f"{base}/{policy.id}/promote", confirm_without_evaluation="true").status_code == 303
    session.refresh(cast.project)
    assert cast.project.policy_id == policy.id
    assert "current policy" in browser.get(f"{base}/{policy.id}").text
    assert browser.submit(f"{base}/roll-back").status_code == 303
    session.refresh(cast.project)
    assert cast.project.policy_id is None
    listed = browser.get(base).text
    assert "rolled back from" in listed
    assert "without evidence" in listed


def test_a_policy_whose_files_are_gone_says_so(as_: As, cast: Cast, session: Session) -> None:
    lost = factories.model(session, cast.project, name="Policy 7", artifact="models/lost")
    base = f"/projects/{cast.project.id}/policies/{lost.id}"
    assert "files of this policy are gone from the store (models/lost)" in as_("manager").get(base).text
    for action in ("promote", "evaluations"):
        fields = {"confirm_without_evaluation": "true"} if action == "promote" else {}
        answer = as_("manager").submit(f"{base}/{action}", **fields)
        assert answer.status_code == 409, action
        assert "The files of Policy 7 are gone" in answer.text


def test_a_policy_of_another_project_does_not_exist_here(as_: As, cast: Cast, session: Session) -> None:
    foreign = factories.model(session, cast.other)
    base = f"/projects/{cast.project.id}/policies/{foreign.id}"
    assert as_("manager").get(base).status_code == 404
    for action in ("promote", "evaluations"):
        assert as_("manager").submit(f"{base}/{action}").status_code == 404


def test_the_api_says_the_same(client: Browser, cast: Cast, policy: Model, reward: Model, session: Session) -> None:
    headers = client.bearer(cast.manager)
    base = f"/api/v1/projects/{cast.project.id}/policies"
    listed = client.get(base, headers=headers).json()
    assert [each["name"] for each in listed["items"]] == ["Policy 1"]
    shown = client.get(f"{base}/{policy.id}", headers=headers).json()
    assert [each["id"] for each in shown["lineage"]] == [cast.project.base_model_id, policy.id]
    wanted = {"method": "ppo", "settings": {"total_episodes": 64}}
    started = client.post(f"/api/v1/projects/{cast.project.id}/runs", headers=headers, json=wanted).json()
    assert (started["method"], started["reward_model_id"]) == ("ppo", reward.id)
    run = client.post(f"{base}/{policy.id}/evaluations", headers=headers, json={"comparisons": 4}).json()
    sampled(session, session.get_one(Run, run["id"]))
    result = client.get(f"{base}/evaluations/{run['id']}", headers=headers).json()["result"]
    assert (result["items"], result["judged"], result["rate"], result["low"]) == (4, 0, None, 0.0)
    refused = client.post(f"{base}/{policy.id}/promote", headers=headers)
    assert refused.status_code == 409
    sure = {"confirm_without_evaluation": True}
    assert client.post(f"{base}/{policy.id}/promote", headers=headers, json=sure).json()["id"] == policy.id
    assert client.post(f"{base}/roll-back", headers=headers).json()["id"] == cast.project.base_model_id
