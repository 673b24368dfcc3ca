"""The base model of a project is changed, or fetched again, and nothing that people did is lost."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.home import service as home
from app.models import AuditEvent, Item, Model, ModelKind, ModelState, RunKind, RunState
from app.models.project_settings import AutomationSettings
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.policies import service as policies
from app.policies.ppo import PPO
from app.registry import sources
from app.runs import queries as runs_queries
from app.runs import training
from app.web.errors import Conflict, NotFound
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


def place(cast: Cast) -> str:
    return f"/projects/{cast.project.id}/base-model"


def test_a_manager_changes_it_on_the_page_and_what_is_there_stays(
    as_: As, cast: Cast, session: Session, stored: Any
) -> None:
    project, before = cast.project, cast.project.base_model
    reward = factories.model(session, project, kind=ModelKind.REWARD, name="Reward model 1")
    item = factories.item(session, factories.prompt(session, project), before)
    label = factories.label(session, item, cast.annotator)
    snapshot = factories.snapshot(session, project, [label])
    project.plan = SamplingPlan(sources=[PlannedSource(model_id=before.id)], chat_model_id=before.id)
    new = factories.base_model(session, name="another", source="org/another", offered=True)
    for model in (reward, new):
        stored(model)
    page = as_("manager").get(f"/projects/{project.id}/settings").text
    assert '<option value="org/another">another</option>' in page
    answer = as_("manager").submit(place(cast), base_model="org/another")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/projects/{project.id}/settings#base-model")
    session.expire_all()
    assert project.base_model_id == new.id == policies.current_policy(project).id
    assert (project.plan.sources[0].model_id, project.plan.chat_model_id) == (new.id, new.id)
    assert [session.get(type(each), each.id) for each in (item, label, snapshot)] == [item, label, snapshot]
    # The reward model reads text: it trains policies of the new base model as well.
    run = training.start(session, project, cast.manager, PPO)
    assert (run.model_id, run.reward_model_id) == (new.id, reward.id)
    told = session.scalars(select(AuditEvent).where(AuditEvent.action == "project.base_model_changed")).one()
    assert (told.subject_id, told.details) == (new.id, {"previous": before.id})
    trail = as_("manager").get(f"/projects/{project.id}/audit").text
    assert f"changed the base model from {before.name} to another" in trail
    assert as_("manager").get(f"/projects/{project.id}/settings").text.count("another") > 2


def test_waiting_pairs_of_the_model_before_make_room_where_the_project_wants_that(
    as_: As, cast: Cast, session: Session
) -> None:
    project, before = cast.project, cast.project.base_model
    items: list[Item] = [factories.item(session, factories.prompt(session, project), before) for _ in range(3)]
    project.automation = AutomationSettings(refresh_pairs=False)
    as_("manager").submit(place(cast), base_model="tiny:81")
    session.expire_all()
    assert [item.withdrawn_at for item in items] == [None] * 3
    project.automation = AutomationSettings(refresh_pairs=True)
    factories.assignment(session, items[0], cast.annotator)
    items[0].slots_left = 0
    session.flush()
    as_("manager").submit(place(cast), base_model="tiny:82")
    session.expire_all()
    assert [item.withdrawn_at is None for item in items] == [True, False, False]


def test_a_promoted_policy_stays_in_use_and_a_roll_back_leads_to_the_new_base_model(
    as_: As, cast: Cast, session: Session, stored: Any
) -> None:
    project, before = cast.project, cast.project.base_model
    policy = factories.model(session, project, name="Policy 1")
    new = factories.base_model(session, source="tiny:83")
    for model in (before, policy, new):
        stored(model)
    policies.promote(session, project, cast.manager, policy, confirm_without_evaluation=True)
    as_("manager").submit(place(cast), base_model="tiny:83")
    session.expire_all()
    assert policies.current_policy(project).id == policy.id
    for model in (before, new, policy):  # its lineage leads to what it was made from
        assert as_("manager").get(f"/projects/{project.id}/policies/{model.id}").status_code == 200
    with pytest.raises(Conflict, match="is no policy"):
        policies.promote(session, project, cast.manager, before, confirm_without_evaluation=True)
    policies.roll_back(session, project, cast.manager)
    assert (project.policy_id, policies.current_policy(project).id) == (None, new.id)
    with pytest.raises(NotFound):  # another project has nothing to do with it
        policies.get(session, cast.other, before.id)


def test_one_that_could_not_be_fetched_is_tried_again_by_a_manager(as_: As, cast: Cast, session: Session) -> None:
    project = cast.project
    model = factories.base_model(
        session, source="org/away", offered=True, state=ModelState.FAILED, artifact=None, error="The hub is away."
    )
    project.base_model = model
    session.flush()
    run = factories.run(
        session,
        project,
        RunKind.PREPARATION,
        state=RunState.FAILED,
        error="The hub is away.",
        ended_at=datetime.now(UTC),
    )
    step = home.next_step(home.situation(session, project))
    assert (step.reason, step.href) == ("The hub is away.", f"/projects/{project.id}/settings#base-model")
    page = as_("manager").get(f"/projects/{project.id}/settings").text
    assert "The hub is away." in page
    assert "Try again" in page
    assert as_("manager").submit(place(cast), base_model="org/away").status_code == 303
    session.expire_all()
    assert (model.state, model.error, run.state) == (ModelState.PREPARING, None, RunState.QUEUED)
    assert runs_queries.preparation_of(session, model.id) is run
    assert session.scalars(select(AuditEvent).where(AuditEvent.action == "project.base_model_changed")).all() == []


def test_what_a_manager_may_not_choose_is_refused_beside_its_field(as_: As, cast: Cast, session: Session) -> None:
    before = cast.project.base_model_id
    for source, sentence in (("org/never-offered", sources.NOT_OFFERED), ("/etc", sources.NOT_OFFERED), ("", "needed")):
        answer = as_("manager").submit(place(cast), base_model=source)
        assert answer.status_code == 422
        assert sentence in answer.text
    for source in ("/etc", "../../etc", "org/..", "http://hub.example/model"):
        answer = as_("admin").submit(place(cast), base_model=source)
        assert answer.status_code == 422
        assert f'value="{source}"' in answer.text  # what was typed is kept
    session.expire_all()
    assert cast.project.base_model_id == before
    assert session.scalars(select(Model.id).where(Model.source == "/etc")).all() == []


def test_the_api_does_the_same(as_: As, client: Browser, cast: Cast, session: Session) -> None:
    headers = client.bearer(cast.manager, "manage")
    url = f"/api/v1{place(cast)}"
    made = client.post(url, json={"base_model": "tiny:84"}, headers=headers)
    assert (made.status_code, made.json()["source"], made.json()["state"]) == (200, "tiny:84", "preparing")
    assert client.post(url, json={"base_model": "org/x"}, headers=headers).json()["errors"]["base_model"]
    assert client.post(url, json={"base_model": "tiny:1", "x": 1}, headers=headers).status_code == 422
    assert (
        client.post(url, json={"base_model": "tiny:1"}, headers=client.bearer(cast.annotator, "manage")).status_code
        == 403
    )
    session.expire_all()
    assert cast.project.base_model.source == "tiny:84"
