"""What the overview says about the automations: all of it from the rows they left."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from app.home.automation import Automation, automations
from app.models import Project, Run, RunKind, RunState, SamplingConfig
from app.policies import service as policies
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def project(session: Session) -> Project:
    project: Project = factories.project(session, queue_depth=5)
    for _ in range(3):
        factories.prompt(session, project)
    return project


def of(session: Session, project: Project) -> list[Automation]:
    session.flush()
    return automations(session, project, new_labels=0)


def ran(session: Session, project: Project, kind: RunKind, **over: object) -> Run:
    values: dict[str, object] = {"state": RunState.SUCCEEDED, "automatic": True}
    if kind is RunKind.SAMPLING:
        values["config"] = SamplingConfig(item_kind="comparison", prompt_ids=[1, 2, 3], settings=factories.sampler())
    run: Run = factories.run(session, project, kind, ended_at=datetime.now(UTC), **(values | over))
    return run


def test_before_anything_has_happened(session: Session, project: Project) -> None:
    keep, train, refresh = of(session, project)
    assert (keep.on, keep.last, keep.now) == (True, None, "5 pairs short: sampling starts within seconds.")
    assert keep.budget == "0 of 10 000 pairs in 24 hours"
    assert (train.on, train.last, train.now) == (False, None, "Switched off.")
    assert (refresh.on, refresh.last) == (True, None)
    assert refresh.now == f"Waits for the next promotion; {project.base_model.name} is the current policy."


def test_what_each_did_last_by_which_run_and_how_it_ended(session: Session, project: Project) -> None:
    sampled = ran(session, project, RunKind.SAMPLING, summary={"prompts": 3, "pairs": 2, "refused": 1})
    ran(session, project, RunKind.SAMPLING, automatic=False)  # a person's
    trained = ran(session, project, RunKind.TRAINING, method="reward", summary={"eval_accuracy": 0.714})
    keep, train, _ = of(session, project)
    assert keep.last is not None
    assert (keep.last.run_id, keep.last.what, keep.last.at) == (
        sampled.id, "made 2 pairs from 3 prompts", sampled.ended_at,
    )  # fmt: skip
    assert keep.budget == "3 of 10 000 pairs in 24 hours"
    assert train.last is not None
    assert (train.last.run_id, train.last.what) == (trained.id, "reached 71% on holdout")
    failed = ran(session, project, RunKind.TRAINING, method="reward", state=RunState.FAILED, error="The disk is full.")
    last = of(session, project)[1].last
    assert last is not None
    assert (last.run_id, last.what) == (failed.id, "failed: The disk is full.")


def test_a_refresh_names_its_run(session: Session, project: Project, stored: Callable[..., None]) -> None:
    stored(project.base_model)
    policy = factories.model(session, project, name="Policy 1")
    stored(policy)
    for _ in range(2):
        factories.item(session, factories.prompt(session, project), project.base_model)
    policies.promote(session, project, factories.user(session), policy, True)
    keep, _, refresh = of(session, project)
    assert refresh.last is not None
    assert refresh.last.what == "2 pairs withdrawn"
    assert keep.last is not None
    assert refresh.last.run_id == keep.last.run_id
    assert keep.now == f"Run {keep.last.run_id} is queued."


def test_the_page_and_the_api_say_it(as_: As, cast: Cast, session: Session, client: Browser) -> None:
    run = ran(session, cast.project, RunKind.SAMPLING, summary={"prompts": 3, "pairs": 3, "refused": 0})
    page = as_("manager").get(f"/projects/{cast.project.id}").text
    assert f"run {run.id}</a> made 3 pairs from 3 prompts" in page
    loop = client.get(f"/api/v1/projects/{cast.project.id}/loop", headers=client.bearer(cast.manager)).json()
    keep = loop["automations"][0]
    assert (keep["name"], keep["on"], keep["last"]["run_id"]) == ("Keep pairs ready", True, run.id)
