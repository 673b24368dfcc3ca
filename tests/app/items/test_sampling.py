"""How the queue is filled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.items import filling, queries, service
from app.models.project_settings import LabelSettings
from app.web.errors import Conflict
from app.web.markdown import rendering, to_html
from tests import factories
from tests.asking import asking


@pytest.fixture
def project(session: Session) -> m.Project:
    project = factories.project(session, queue_depth=5, overlap=2, control_share=0.5)
    for _ in range(8):
        factories.prompt(session, project)
    return project


def drawn(text: str, **over: Any) -> dict[str, Any]:
    values = {"text": text, "finish_reason": "stop", "tokens": 3, "strategy": "stochastic", "temperature": 0.9}
    return values | {"top_p": 1.0, "top_k": 0, "seed": 7, "logprob": -1.0} | over


def add(session: Session, run: m.Run, *texts: str, place: int = 0) -> m.Item | None:
    """Hand over what one model gave to a prompt of the run."""
    prompt_id = run.asked(m.SamplingConfig).prompt_ids[place]
    return service.add_sampled(session, run, prompt_id, [[drawn(text) for text in texts]])


def plan(session: Session, project: m.Project, **over: Any) -> m.Run:
    run = service.plan_sampling(session, project, **over)
    assert run is not None
    return run


def test_a_run_is_planned_for_what_the_queue_lacks_and_only_one_at_a_time(session: Session, project: m.Project) -> None:
    run = plan(session, project)
    assert len(set(run.asked(m.SamplingConfig).prompt_ids)) == 5
    assert run.asked(m.SamplingConfig).settings.n == 2
    assert run.model_id == project.base_model_id
    assert service.plan_sampling(session, project) is None
    run.state = m.RunState.SUCCEEDED
    session.flush()
    for place in range(5):
        assert add(session, run, f"one {place}", f"two {place}", place=place) is not None
    assert service.plan_sampling(session, project) is None
    following = plan(session, project, automatic=False, count=3)
    before = run.asked(m.SamplingConfig).prompt_ids
    assert set(following.asked(m.SamplingConfig).prompt_ids).isdisjoint(before)  # the least sampled come first


def test_rows_carry_the_prompts_in_the_planned_order(session: Session, project: m.Project) -> None:
    run = plan(session, project)
    rows = service.sampling_rows(session, run)
    assert [each["id"] for each in rows] == run.asked(m.SamplingConfig).prompt_ids
    assert rows[0]["prompt"][-1]["role"] == "user"
    service.withdraw_prompts(session, project, factories.user(session), [rows[0]["id"]])
    assert len(service.sampling_rows(session, run)) == 4


def test_the_same_row_again_is_the_same_item(session: Session, project: m.Project) -> None:
    run = plan(session, project)
    first = add(session, run, "one", "two")
    again = add(session, run, "one", "two")
    assert first is not None
    assert again is first
    assert (first.overlap_target, first.slots_left) == (2, 2)
    assert first.responses[0].seed == 7
    assert len(session.scalars(select(m.Response).where(m.Response.run_id == run.id)).all()) == 2


def test_prompts_and_answers_are_rendered_when_they_are_sampled(session: Session, project: m.Project) -> None:
    run = plan(session, project)
    prompt = session.get_one(m.Prompt, run.asked(m.SamplingConfig).prompt_ids[0])
    prompt.messages = [{"role": "user", "content": "**what**"}]
    item = add(session, run, "**one**", "<b>\x00")
    session.expire_all()
    assert item is not None
    assert (item.responses[0].html, item.responses[0].html_by) == (to_html("**one**"), rendering())
    assert (item.prompt.html, item.prompt.html_by) == ([to_html("**what**")], rendering())
    assert item.responses[1].html == '<p dir="auto">&lt;b&gt;\ufffd</p>\n'


@pytest.mark.parametrize(
    "texts", [("same", " same\n"), ("one",), ("", "  ")], ids=["equal", "one answer only", "both empty"]
)
def test_answers_that_leave_nothing_to_compare_make_no_item(
    session: Session, project: m.Project, texts: tuple[str, ...]
) -> None:
    run = plan(session, project)
    assert add(session, run, *texts) is None


def test_a_prompt_withdrawn_meanwhile_makes_no_item(session: Session, project: m.Project) -> None:
    run = plan(session, project)
    service.withdraw_prompts(session, project, factories.user(session), [run.asked(m.SamplingConfig).prompt_ids[0]])
    assert add(session, run, "one", "two") is None


def test_nothing_is_planned_before_the_model_is_ready(session: Session, project: m.Project) -> None:
    project.base_model.state = m.ModelState.PREPARING
    session.flush()
    assert service.plan_sampling(session, project) is None
    with pytest.raises(Conflict, match="not ready"):
        service.plan_sampling(session, project, automatic=False)


def test_a_failed_run_is_not_repeated_at_once_by_itself(session: Session, project: m.Project) -> None:
    run = plan(session, project)
    run.state, run.ended_at = m.RunState.FAILED, datetime.now(UTC)
    session.flush()
    assert service.plan_sampling(session, project) is None
    assert service.plan_sampling(session, project, automatic=False) is not None


def test_the_promoted_policy_is_sampled_and_fills_the_queue_anew(session: Session, project: m.Project) -> None:
    run = plan(session, project)
    run.state = m.RunState.SUCCEEDED
    for place in range(5):
        add(session, run, f"one {place}", f"two {place}", place=place)
    policy = factories.model(session, project)
    project.policy_id = policy.id
    session.flush()
    following = plan(session, project)
    assert following.model_id == policy.id
    assert len(following.asked(m.SamplingConfig).prompt_ids) == 5


def test_a_project_without_prompts_says_so(session: Session) -> None:
    project = factories.project(session)
    assert service.plan_sampling(session, project) is None
    with pytest.raises(Conflict, match="Import prompts"):
        service.plan_sampling(session, project, automatic=False)


def test_what_is_sampled_by_itself_keeps_to_the_budget_of_24_hours(session: Session, project: m.Project) -> None:
    project.automation = project.automation.model_copy(update={"pairs_per_day": 7})
    first = plan(session, project)
    first.state = m.RunState.SUCCEEDED
    session.flush()
    by_hand = plan(session, project, automatic=False, count=4)  # a person's runs are not counted
    by_hand.state = m.RunState.SUCCEEDED
    session.flush()
    second = plan(session, project)
    assert (len(first.asked(m.SamplingConfig).prompt_ids), len(second.asked(m.SamplingConfig).prompt_ids)) == (5, 2)
    second.state = m.RunState.SUCCEEDED
    session.flush()
    assert service.plan_sampling(session, project) is None
    assert filling.decide(session, project).reason == "The budget of 7 pairs in 24 hours is used up."
    first.created_at -= timedelta(hours=25)
    session.flush()
    assert len(plan(session, project).asked(m.SamplingConfig).prompt_ids) == 5


def test_why_nothing_is_sampled(session: Session, project: m.Project) -> None:
    def reason() -> str:
        session.flush()
        return filling.decide(session, project).reason

    assert reason() == "5 pairs short: sampling starts within seconds."
    run = plan(session, project)
    assert reason() == f"Run {run.id} is queued."
    run.state, run.ended_at = m.RunState.FAILED, datetime.now(UTC)
    assert reason() == f"Run {run.id} failed; tries again within 5 minutes."
    run.state = m.RunState.SUCCEEDED
    for place in range(5):
        add(session, run, f"one {place}", f"two {place}", place=place)
    assert reason() == "5 pairs are ready."
    project.base_model.state = m.ModelState.PREPARING
    assert reason() == f"Waits for {project.base_model.name}, which is preparing."
    project.automation = project.automation.model_copy(update={"keep_queue_filled": False})
    assert reason() == "Switched off."


def test_items_that_show_no_answer_fill_the_queue_whatever_model_is_asked(session: Session) -> None:
    project = factories.project(session)
    old, new = project.base_model, factories.model(session, project)
    prompt = factories.prompt(session, project)
    factories.item(session, prompt, old)
    factories.item(session, prompt, old, kind="demonstration", responses=[])
    assert queries.open_items(session, project.id, 10) == 2
    assert queries.open_items(session, project.id, 10, new.id) == 1
    assert queries.open_items(session, project.id, 10, old.id) == 2


def demonstrations(start: str) -> LabelSettings:
    return asking(kinds={"demonstration": {"share": 100, "start": start}}, share=0)


@pytest.mark.parametrize("refresh_pairs", [False, True])
def test_answers_are_written_without_sampling_and_never_to_held_out_prompts(
    session: Session, project: m.Project, refresh_pairs: bool
) -> None:
    project.answer = demonstrations("write")
    project.automation = project.automation.model_copy(update={"refresh_pairs": refresh_pairs})
    prompts = list(session.scalars(select(m.Prompt).where(m.Prompt.project_id == project.id)))
    for prompt in prompts[:2]:
        prompt.split = m.Split.HOLDOUT
    session.flush()
    for _ in range(3):  # filled once, then full
        assert service.plan_sampling(session, project) is None
    items = list(session.scalars(select(m.Item).where(m.Item.project_id == project.id)))
    assert len(items) == project.queue_depth == 5
    assert {(item.kind, len(item.item_responses), item.prompt.split) for item in items} == {
        ("demonstration", 0, m.Split.TRAIN)
    }
    assert session.scalars(select(m.Run)).all() == []


def test_an_answer_to_improve_is_one_that_was_sampled(session: Session, project: m.Project) -> None:
    project.answer = demonstrations("improve")
    run = plan(session, project)
    assert run.asked(m.SamplingConfig).item_kind == "demonstration"
    item = add(session, run, "one")
    assert item is not None
    assert (item.kind, [response.text for response in item.responses]) == ("demonstration", ["one"])
    assert item.responses[0].origin is m.Origin.MODEL
