"""Methods compared on the same labels: which policies stand in a table, what it says of them, how they are measured.
That a run measures them is in tests/workers/runs/test_learning.py."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import extensions
from app import models as m
from app.policies import measures, queries
from app.web.errors import Conflict, NotFound
from tests import factories
from tests.app.conftest import Browser, Cast

extensions.load()
As = Callable[[str], Browser]
MEASURE = {
    "prompts": 8, "reward": 1.25, "reward_error": 0.1, "baseline_reward": 0.5, "kl": 3.5, "kl_error": 0.2,
    "answer_tokens": 17.5, "baseline_answer_tokens": 21.0,
}  # fmt: skip


def made_by(session: Session, cast: Cast, method: str, kind: m.ModelKind = m.ModelKind.POLICY, **run: Any) -> m.Model:
    ran = factories.training(session, cast.project, method, state=m.RunState.SUCCEEDED, **run)
    made: m.Model = factories.model(session, cast.project, kind=kind, run_id=ran.id, metrics={"seconds": 75.0})
    return made


@pytest.fixture
def policies(session: Session, cast: Cast, stored: Callable[[m.Model], Any]) -> dict[str, m.Model]:
    """A reward model, policies by DPO and PPO of its labels, and one by DPO of older labels."""
    stored(cast.project.base_model)
    old, new = factories.snapshot(session, cast.project), factories.snapshot(session, cast.project, label_count=70)
    reward = made_by(session, cast, "reward", m.ModelKind.REWARD, snapshot_id=new.id)
    found = {
        "older": made_by(session, cast, "dpo", snapshot_id=old.id),
        "dpo": made_by(session, cast, "dpo", snapshot_id=new.id),
        "ppo": made_by(session, cast, "ppo", reward_model_id=reward.id),
        "reward": reward,
    }
    factories.model(session, cast.project, name="Nobody knows from what")
    for model in found.values():
        stored(model)
    factories.prompt(session, cast.project, split=m.Split.HOLDOUT)
    return found


def test_policies_of_the_same_labels_stand_together(session: Session, cast: Cast, policies: dict[str, m.Model]) -> None:
    newest = measures.table(session, cast.project)
    assert newest is not None
    assert [(row.model.id, row.method) for row in newest.rows] == [
        (policies["dpo"].id, "DPO"), (policies["ppo"].id, "PPO"),
    ]  # fmt: skip
    assert [snapshot.label_count for snapshot in measures.snapshots(session, cast.project)] == [70, 0]
    first = measures.table(session, cast.project, measures.snapshots(session, cast.project)[1].id)
    assert first is not None
    assert [row.model.id for row in first.rows] == [policies["older"].id]
    foreign = factories.snapshot(session, cast.other)
    with pytest.raises(NotFound, match="No policy of this project"):
        measures.table(session, cast.project, foreign.id)


def test_one_run_measures_them_all_by_the_newest_reward_model(
    session: Session, cast: Cast, policies: dict[str, m.Model], as_: As
) -> None:
    manager, base = as_("manager"), f"/projects/{cast.project.id}"
    page = manager.get(f"{base}/policies/compare").text
    assert "Measure reward, KL and length" in page
    assert "2 policies from 70 labels" in page
    sent = manager.submit(f"{base}/policies/compare", labels=str(measures.snapshots(session, cast.project)[0].id))
    assert sent.status_code == 303
    run = session.get_one(m.Run, int(sent.headers["location"].rsplit("/", 1)[1]))
    ids = [policies["dpo"].id, policies["ppo"].id]
    assert run.asked(m.ScoringConfig).policy_ids == ids
    assert (run.model_id, run.reward_model_id) == (cast.project.base_model_id, policies["reward"].id)
    assert "2 policies by" in manager.get(f"{base}/runs/{run.id}").text
    assert queries.uses_of(session, ids[0]) == 1  # its files are not deleted meanwhile
    rows, settings, addresses = measures.commands(session, run)
    assert (len(rows), list(addresses), settings["max_new_tokens"]) == (1, ids, 256)
    run.state, run.summary = m.RunState.SUCCEEDED, {"measures": {str(ids[0]): MEASURE}}  # type: ignore[typeddict-item]
    session.flush()
    shown = manager.get(f"{base}/policies/compare").text
    for text in ("<b>1.25</b>", "± 0.20", "<b>3.50</b>", "17.5", "21.0", "Measure again", "not evaluated", "1 min"):
        assert text in shown, text
    headers = manager.bearer(cast.manager)
    told = manager.get(f"/api/v1{base}/policies/compare", headers=headers).json()
    assert told["scored_by"] == policies["reward"].id
    assert [each["measure"] and each["measure"]["kl"] for each in told["policies"]] == [3.5, None]
    assert "/policies/compare" in manager.get(f"{base}/policies").text
    again = manager.post(f"/api/v1{base}/policies/compare", headers=headers, json={"labels": told["labels"]})
    assert again.status_code == 201


def test_without_policies_there_is_a_word_instead(session: Session, cast: Cast, as_: As) -> None:
    manager, base = as_("manager"), f"/projects/{cast.project.id}/policies/compare"
    assert "Nothing to compare yet" in manager.get(base).text
    headers = manager.bearer(cast.manager)
    assert manager.get(f"/api/v1{base}", headers=headers).status_code == 404
    assert manager.get(f"{base}?labels=99").status_code == 404
    with pytest.raises(Conflict, match="Train a policy and a reward model first"):
        measures.start(session, cast.project, cast.manager)
