"""Runs that ask an endpoint: what came is kept, nothing is asked twice, and what goes wrong is the run's sentence."""

import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select

from app import models as m
from app.db import task_session
from app.items import service as items
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.policies import evaluations, results
from app.quotas import service as quotas
from app.quotas.forms import QuotaChange
from app.registry import endpoints
from app.runs import folders as run_folders
from app.runs import service as runs
from app.settings import get_settings
from tests import factories
from tests.endpoint_server import EndpointServer
from tests.workers.runs.test_execution import Working, state_of
from tests.workers.sources.conftest import KEY
from workers.runs.execution import execute
from workers.sources import registry
from workers.sources.endpoint import TRIES, Endpoint


@pytest.fixture(autouse=True)
def impatient(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries are short, and so is the time for an answer."""
    monkeypatch.setitem(registry._SOURCES, m.ENDPOINT, Endpoint(seconds=5.0, first_pause=0.01))


def queued(api: EndpointServer, served: str, *, prompts: int = 3, responses: int = 2, **over: Any) -> tuple[int, int]:
    """(run, model) of a sampling run that asks an endpoint for responses to each prompt."""
    texts = over.pop("texts", [f"Question {number}" for number in range(prompts)])
    with task_session() as session:
        given = {"base_url": api.url, "served_name": served, "key_name": "main", "name": "Theirs"}
        model = factories.endpoint(session, **given | {"requests_per_minute": 10_000} | over)
        project = factories.project(session)
        project.plan = SamplingPlan(sources=[PlannedSource(model_id=model.id, responses=responses)])
        for text in texts:
            factories.prompt(session, project, text)
        run = items.plan_sampling(session, project, automatic=False)
        assert run is not None
        return run.id, model.id


def done(run_id: int) -> m.RunState | None:
    return execute(run_id, "here:1", "CPU", Event())


def used(model_id: int) -> tuple[int, int, int]:
    with task_session() as session:
        endpoint = session.get_one(m.Endpoint, model_id)
        return endpoint.tokens_in, endpoint.tokens_out, endpoint.tokens_estimated


def items_of(run_id: int) -> list[m.Item]:
    with task_session() as session:
        found = list(session.scalars(select(m.Item).where(m.Item.run_id == run_id)))
        for item in found:
            assert len(item.responses) == 2
        return found


def test_it_fills_the_queue(api: EndpointServer):
    run_id, model_id = queued(api, "good")
    assert done(run_id) is m.RunState.SUCCEEDED
    assert len(items_of(run_id)) == 3
    assert used(model_id) == (6 * 7, 6 * 5, 0)
    run = state_of(run_id)
    with task_session() as session:
        assert quotas.of(session, runs.project_of(run)).tokens_used == 6 * 12
    assert (run.step, run.total_steps, run.unit) == (3, 3, "prompts")
    assert run.summary == {"prompts": 3, "pairs": 3, "refused": 0}
    with task_session() as session:
        responses = session.scalars(select(m.Response).where(m.Response.run_id == run_id)).all()
        assert {response.model_id for response in responses} == {model_id}
        assert {response.token_count for response in responses} == {5}
        assert sorted(str(response.strategy) for response in responses) == ["greedy"] * 3 + ["stochastic"] * 3
    assert sorted(body["temperature"] for _, body in api.asked) == [0.0] * 3 + [1.0] * 3


def test_a_project_whose_tokens_are_spent_keeps_its_answers_and_goes_on_once_there_are_more(api: EndpointServer):
    run_id, _ = queued(api, "good", prompts=4, at_once=1)
    with task_session() as session:
        project = session.get_one(m.Project, runs.project_of(session.get_one(m.Run, run_id)))
        quotas.change(session, project, None, QuotaChange(tokens=300))
    assert done(run_id) is m.RunState.FAILED
    first = api.seen["good"]
    assert 0 < first < 8
    error = str(state_of(run_id).error)
    assert f"The project's quota of tokens is used up: {300 - first * 12} are left" in error
    assert f"The {first} answers that came are kept." in error
    with task_session() as session:
        quotas.change(session, session.get_one(m.Project, project.id), None, QuotaChange(tokens=None))
        runs.resume(session, None, session.get_one(m.Run, run_id))
    assert done(run_id) is m.RunState.SUCCEEDED
    assert api.seen["good"] == 8
    with task_session() as session:
        assert quotas.of(session, project.id).tokens_used == 8 * 12


def test_bad_weather_is_waited_for(api: EndpointServer):
    api.failing = 8
    run_id, model_id = queued(api, "flaky")
    assert done(run_id) is m.RunState.SUCCEEDED
    assert api.seen["flaky"] == 6 + 8
    assert used(model_id) == (42, 30, 0)


@pytest.mark.parametrize(
    ("served", "says", "asked"),
    [
        ("status-401", "Theirs: It refuses the key “main” (401)", 4),
        ("status-403", "does not permit this (403)", 4),
        ("status-404", "knows no model", 4),
        ("status-429", f"asked too often (429): Status 429 it is. That was the last of {TRIES} tries.", 4 * TRIES),
        ("status-500", f"It failed (500): Status 500 it is. That was the last of {TRIES} tries.", 4 * TRIES),
        ("nothing", "broke off", 4 * TRIES),
        ("html", "Is the base URL right?", 4 * TRIES),
        ("half", "broke off", 4 * TRIES),
        ("elsewhere", "redirects are not followed", 4),
        ("patience", "asks to wait for 86,400 seconds", 4),
    ],
)
def test_what_does_not_go_is_the_runs_sentence(api: EndpointServer, served: str, says: str, asked: int):
    run_id, model_id = queued(api, served)
    assert done(run_id) is m.RunState.FAILED
    error = str(state_of(run_id).error)
    assert says in error
    assert error.endswith("Resume the run to go on.")
    assert not items_of(run_id)
    assert used(model_id) == (0, 0, 0)
    assert 1 <= api.seen[served] <= asked


@pytest.mark.parametrize(
    ("served", "says"),
    [
        ("filtered", "content filter"), ("refusal", "refuses to answer"), ("empty", "is empty"), ("tools", "a tool"),
        ("status-400", "refuses this request (400)"), ("enormous", "octets"),
    ],
)  # fmt: skip
def test_nothing_of_use_is_noticed_early(api: EndpointServer, served: str, says: str):
    run_id, _ = queued(api, served, prompts=30, at_once=1)
    assert done(run_id) is m.RunState.FAILED
    assert "None of its first 10 answers can be used." in str(state_of(run_id).error)
    assert says in str(state_of(run_id).error)
    assert api.seen[served] == 10


def test_where_none_could_be_used_all_are_asked_again(api: EndpointServer):
    run_id, model_id = queued(api, "filtered", prompts=2)
    assert done(run_id) is m.RunState.FAILED
    assert "None of its answers can be used" in str(state_of(run_id).error)
    with task_session() as session:
        session.get_one(m.Endpoint, model_id).served_name = "good"
        runs.resume(session, None, session.get_one(m.Run, run_id))
    assert done(run_id) is m.RunState.SUCCEEDED
    assert (api.seen["filtered"], api.seen["good"]) == (4, 4)


def test_one_bad_answer_is_a_note_and_costs_no_other(api: EndpointServer):
    run_id, _ = queued(api, "choosy", texts=["one", "two [bad]", "three"])
    assert done(run_id) is m.RunState.SUCCEEDED
    assert len(items_of(run_id)) == 2
    summary = state_of(run_id).summary
    assert summary is not None
    assert summary["notes"] == {"Theirs: Its content filter held the answer back.": 2}
    assert (summary["pairs"], summary["refused"]) == (2, 1)


def test_another_models_name_is_noted(api: EndpointServer):
    run_id, _ = queued(api, "impostor")
    assert done(run_id) is m.RunState.SUCCEEDED
    assert len(items_of(run_id)) == 3
    assert state_of(run_id).summary["notes"] == {  # type: ignore[index]
        "Theirs: It says that “somebody-else-7b” answered, not “impostor”.": 6
    }


def test_answers_alike_make_no_item(api: EndpointServer):
    run_id, _ = queued(api, "same")
    assert done(run_id) is m.RunState.SUCCEEDED
    assert items_of(run_id) == []
    assert state_of(run_id).summary["refused"] == 3  # type: ignore[index]


def test_nothing_is_asked_twice(api: EndpointServer, monkeypatch: pytest.MonkeyPatch):
    """A run that fails half-way goes on where it was, after another attempt's worker was killed in the midst of a
    line as well."""
    run_id, model_id = queued(api, "good", prompts=4, at_once=1, token_limit=1_100)
    # Each request may take 256 tokens and some: the fourth of eight would pass the limit, were it kept reserved.
    assert done(run_id) is m.RunState.SUCCEEDED
    assert api.seen["good"] == 8
    run_id, model_id = queued(api, "choosy", prompts=4, at_once=1, token_limit=300)
    assert done(run_id) is m.RunState.FAILED
    first = api.seen["choosy"]
    assert 0 < first < 8
    assert f"The {first} answers that came are kept." in str(state_of(run_id).error)
    assert "Its spending limit is reached" in str(state_of(run_id).error)
    with task_session() as session:
        run = session.get_one(m.Run, run_id)
        file = run_folders.workspace(run) / "answers.jsonl"
        with file.open("ab") as cut:
            cut.write(b'{"id": 1, "place"')
        endpoints.change(session, None, endpoints.get(session, model_id), endpoints.EndpointChange(token_limit=None))
        runs.resume(session, None, run)
    assert done(run_id) is m.RunState.SUCCEEDED
    assert api.seen["choosy"] == 8
    assert len(items_of(run_id)) == 4
    assert used(model_id) == (56, 40, 0)


def test_a_limit_is_never_passed(api: EndpointServer):
    run_id, model_id = queued(api, "good", prompts=60, at_once=8, token_limit=1_000)
    assert done(run_id) is m.RunState.FAILED
    spent = sum(used(model_id)[:2])
    assert 700 < spent <= 1_000  # the next request, at its most of 256 and its prompt, would pass it
    assert "tokens are left, and this request may take" in str(state_of(run_id).error)


def test_tokens_nobody_counted_are_marked(api: EndpointServer):
    run_id, model_id = queued(api, "uncounted", prompts=1)
    assert done(run_id) is m.RunState.SUCCEEDED
    taken = used(model_id)
    assert taken[2] == taken[0] + taken[1] > 0
    with task_session() as session:
        counts = session.scalars(select(m.Response.token_count).where(m.Response.run_id == run_id)).all()
        assert counts == [None, None]


def test_no_more_at_once_than_was_said(api: EndpointServer):
    run_id, _ = queued(api, "slow", prompts=6, at_once=3)
    assert done(run_id) is m.RunState.SUCCEEDED
    assert api.most_at_once["slow"] == 3


def test_the_rate_is_kept_over_runs(api: EndpointServer, redis_url: str):
    """Of 4 a minute, 4 are asked and the fifth waits: it has not come when the run is cancelled."""
    run_id, _ = queued(api, "good", prompts=5, responses=2, requests_per_minute=4)
    work = Working(run_id)
    deadline = 200
    while api.seen["good"] < 4 and deadline:
        work.ended.wait(0.1)
        deadline -= 1
    work.ended.wait(2.5)
    with task_session() as session:
        runs.request_cancel(session, None, session.get_one(m.Run, run_id))
    assert work.wait() is m.RunState.CANCELLED
    assert api.seen["good"] == 4
    assert len(items_of(run_id)) == 2


def test_a_worker_that_stops_gives_the_run_back(api: EndpointServer):
    run_id, _ = queued(api, "silence")
    work = Working(run_id)
    while not api.seen["silence"]:
        work.ended.wait(0.05)
    work.stopping.set()
    assert work.wait() is m.RunState.QUEUED


def test_a_retired_endpoint_fails_the_run_with_a_sentence(api: EndpointServer):
    run_id, model_id = queued(api, "good")
    with task_session() as session:
        endpoints.retire(session, None, endpoints.get(session, model_id))
    assert done(run_id) is m.RunState.FAILED
    assert "was retired" in str(state_of(run_id).error)
    assert not api.asked


def test_no_trace_of_the_key(api: EndpointServer, caplog: pytest.LogCaptureFixture):
    caplog.set_level(0)
    run_id, _ = queued(api, "echo-text")
    assert done(run_id) is m.RunState.SUCCEEDED
    other, _ = queued(api, "echo")
    assert done(other) is m.RunState.FAILED
    assert KEY in str(api.asked)
    for path in get_settings().store.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
    assert KEY not in caplog.text
    with task_session() as session:
        for table in m.Base.metadata.sorted_tables:
            for row in session.execute(select(table)):
                assert KEY not in str(row), table.name


def test_two_models_are_compared_and_the_win_rate_is_the_policys(api: EndpointServer):
    """An evaluation of one endpoint against another: 3 of 4 judged for the first."""
    with task_session() as session:
        ours = factories.endpoint(session, base_url=api.url, served_name="good", name="Ours")
        theirs = factories.endpoint(session, base_url=api.url, served_name="better", name="Theirs")
        project = factories.project(session)
        for _ in range(4):
            factories.prompt(session, project, split=m.Split.HOLDOUT)
        run_id = evaluations.start_evaluation(session, project, None, ours, [theirs], comparisons=4).id
    assert done(run_id) is m.RunState.SUCCEEDED
    made = items_of(run_id)
    assert len(made) == 4
    with task_session() as session:
        run = session.get_one(m.Run, run_id)
        for number, item in enumerate(session.scalars(select(m.Item).where(m.Item.run_id == run_id))):
            assert [response.model_id for response in item.responses] == [ours.id, theirs.id]
            factories.label(session, item, factories.user(session), m.Outcome.FIRST if number else m.Outcome.SECOND)
        result = results.evaluation_result(session, run)
        assert (result.judged, result.wins, result.losses, result.rate) == (4, 3, 1, 0.75)


def test_the_lines_of_a_run_are_what_the_sampler_writes(api: EndpointServer):
    run_id, _ = queued(api, "good", prompts=1)
    done(run_id)
    with task_session() as session:
        lines = (Path(run_folders.workspace(session.get_one(m.Run, run_id))) / "answers.jsonl").read_text().splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["id", "notes", "place", "response"]] * 2
