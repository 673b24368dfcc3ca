"""Evaluations of three and more models by rankings: which items are made, how people judge them, what each two of the
models come to, and where that is shown."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.catalog import service as catalog
from app.policies import evaluations, queries, results, service
from app.policies.intervals import anytime_interval
from app.web.errors import Conflict, Invalid
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.app.policies.test_evaluations import answers

As = Callable[[str], Browser]
WORDS = ("first", "second", "third")  # what each model's answers begin with


@pytest.fixture
def models(session: Session, cast: Cast, stored: Callable[[m.Model], Any]) -> list[m.Model]:
    """Two policies and the base model, and holdout prompts to ask them."""
    found = [factories.model(session, cast.project, name=f"Policy {n}") for n in (1, 2)] + [cast.project.base_model]
    for model in found:
        stored(model)
    for n in range(6):
        factories.prompt(session, cast.project, f"Holdout {n}?", split=m.Split.HOLDOUT)
    return found


def started(session: Session, cast: Cast, models: list[m.Model], comparisons: int = 6, overlap: int = 1) -> m.Run:
    return evaluations.start_evaluation(
        session, cast.project, cast.manager, models[0], models[1:], comparisons, overlap
    )


def asked(session: Session, run: m.Run, same: tuple[set[int], ...] = (set(), set(), set())) -> list[m.Item]:
    """The run's items; at the places `same` a model's answer does not depend on the model."""
    prompts = evaluations.evaluation_prompts(session, run)
    n = run.asked(m.EvaluationConfig).settings.n
    rows = [answers(prompts, word, n, equal) for word, equal in zip(WORDS, same, strict=True)]
    evaluations.add_evaluation_items(session, run, rows)
    assert evaluations.add_evaluation_items(session, run, rows) == 0  # a second time adds nothing
    run.state = m.RunState.SUCCEEDED
    session.flush()
    return list(session.scalars(select(m.Item).where(m.Item.run_id == run.id).order_by(m.Item.id)))


def judge(browser: Browser, cast: Cast, order: tuple[str, ...], telling: list[str]) -> None:
    """Rank the item on the screen by what its answers begin with, best first; nothing on it may tell any of
    `telling`."""
    page = browser.get(f"/projects/{cast.project.id}/label").text
    assert not [word for word in telling if word in page]
    shown = [page.index(f"{word} ") for word in order]
    number = {word: str(1 + sorted(shown).index(at)) for word, at in zip(order, shown, strict=True)}
    assignment = re.search(r'name="assignment_id" value="(\d+)"', page)
    assert assignment is not None
    places = {f"fields[{number[word]}]": str(place) for place, word in enumerate(order, start=1)}
    sent = browser.submit(f"/projects/{cast.project.id}/label", assignment_id=assignment[1], kind="ranking", **places)
    assert sent.status_code == 303, sent.text


def test_people_rank_and_each_two_models_get_a_win_rate(
    session: Session, cast: Cast, models: list[m.Model], as_: As
) -> None:
    run = started(session, cast, models)
    items = asked(session, run)
    assert len(items) == 6
    for item in items:
        assert (item.kind, item.purpose, item.level) == ("ranking", m.Purpose.EVALUATION, m.Level.EVALUATION)
        assert [response.model_id for response in item.responses] == [model.id for model in models]
    names = [model.name for model in models]
    for order in [("first", "second", "third")] * 4 + [("third", "first", "second")] * 2:
        judge(as_("annotator"), cast, order, names)
    # Policy 1 is before Policy 2 six times of six, before the base model four times; Policy 2 before it four times.
    found = {(pair.model.id, pair.other.id): pair.result for pair in results.of_each_two(session, run)}
    one, two, base = (model.id for model in models)
    assert {pair: (result.wins, result.losses, result.judged) for pair, result in found.items()} == {
        (one, two): (6, 0, 6), (one, base): (4, 2, 6), (two, base): (4, 2, 6),
    }  # fmt: skip
    assert found[one, base].rate == pytest.approx(4 / 6)
    ends = anytime_interval([1.0] * 4 + [0.0] * 2)
    assert (found[one, base].low, found[one, base].high) == (ends.low, ends.high)
    turned = results.between(session, run, base, one)
    assert (turned.wins, turned.losses) == (2, 4)
    assert results.evaluation_result(session, run) == found[one, two]
    base_url = f"/projects/{cast.project.id}/policies"
    page = as_("manager").get(f"{base_url}/evaluations/{run.id}").text
    assert f"{names[0]} against {names[1]}, {names[2]}" in page
    assert page.count("<tr>") == 1 + 3
    assert "place 1.0" in page
    assert "place 3.0" in page
    assert names[2] in as_("manager").get(f"{base_url}/{one}").text
    listed = as_("manager").get(f"{base_url}/{two}").text  # seen from its side: lost against the first
    assert re.search(rf"{names[1]} against {names[0]}</td>\s*<td[^>]*>.*?0%", listed, re.S)
    headers = as_("manager").bearer(cast.manager)
    view = as_("manager").get(f"/api/v1{base_url}/evaluations/{run.id}", headers=headers).json()
    assert [(pair["model_id"], pair["other_id"], pair["result"]["wins"]) for pair in view["pairs"]] == [
        (one, two, 6), (one, base, 4), (two, base, 4),
    ]  # fmt: skip
    assert view["result"] == view["pairs"][0]["result"]


def test_equal_answers_are_ties_whatever_is_said_of_them(
    session: Session, cast: Cast, models: list[m.Model], as_: As
) -> None:
    run = started(session, cast, models)
    # On the first prompt all three say the same, on the second the first two: the latter is asked all the same.
    items = asked(session, run, ({0, 1}, {0, 1}, {0}))
    assert len(items) == 5
    assert (run.summary or {})["equal_answers"] == 1
    items[0].rank = -1.0  # asked first
    session.flush()
    task = as_("annotator").get(f"/projects/{cast.project.id}/label").text
    assignment = re.search(r'name="assignment_id" value="(\d+)"', task)
    assert assignment is not None
    held = session.get_one(m.Assignment, int(assignment[1]))
    assert held.item_id == items[0].id
    place_of = {position: shown + 1 for shown, position in enumerate(held.order)}
    places = {f"fields[{place_of[position]}]": str(position + 1) for position in range(3)}
    as_("annotator").submit(f"/projects/{cast.project.id}/label", assignment_id=assignment[1], kind="ranking", **places)
    one, two, base = (model.id for model in models)
    equal = results.between(session, run, one, two)
    assert (equal.wins, equal.losses, equal.ties, equal.equal) == (0, 0, 1, 1)
    assert equal.rate == 0.5
    ahead = results.between(session, run, one, base)
    assert (ahead.wins, ahead.ties) == (1, 0)
    assert ahead.rate == pytest.approx(0.5 / 6 + 5 / 6)  # one of six comparisons is known to be a tie


def test_it_is_evidence_for_whichever_of_its_models(session: Session, cast: Cast, models: list[m.Model]) -> None:
    cast.project.policy_id = models[1].id
    session.flush()
    session.refresh(cast.project)
    run = started(session, cast, [models[2], models[0], models[1]])
    items = asked(session, run)
    doubt = service.doubt(session, cast.project, models[0])
    assert doubt is not None
    assert "no blind evaluation" in doubt
    for item in items:  # stored order: the base model, Policy 1, Policy 2
        assignment = factories.assignment(session, item, cast.annotator, state=m.AssignmentState.LABELLED)
        label = factories.label(session, item, cast.annotator, assignment_id=assignment.id, order=[0, 1, 2])
        label.preferences = [
            m.Preference(question="", first=first, second=second, outcome=outcome, probability=probability)
            for first, second, outcome, probability in (
                (0, 1, m.Outcome.SECOND, 0.0), (0, 2, m.Outcome.FIRST, 1.0), (1, 2, m.Outcome.FIRST, 1.0),
            )
        ]  # fmt: skip
    session.flush()
    assert service.doubt(session, cast.project, models[0]) is None
    assert [run.id for run in queries.comparisons(session, cast.project.id, models[1].id)] == [run.id]
    run.state = m.RunState.RUNNING
    session.flush()
    cast.project.policy_id = None
    session.flush()
    with pytest.raises(Conflict, match="A run needs Policy 2"):
        catalog.retire(session, cast.manager, models[1])


def test_launched_from_the_page_and_by_the_api(session: Session, cast: Cast, models: list[m.Model], as_: As) -> None:
    manager, base = as_("manager"), f"/projects/{cast.project.id}/policies"
    page = manager.get(f"{base}/{models[0].id}").text
    assert page.count('name="other_ids"') == 2
    sent = manager.submit(
        f"{base}/{models[0].id}/evaluations", baseline_id=str(models[2].id), other_ids=str(models[1].id),
        comparisons="3", overlap="2",
    )  # fmt: skip
    assert sent.status_code == 303
    run = session.get_one(m.Run, int(sent.headers["location"].rsplit("/", 1)[1]))
    assert [model.id for model in evaluations.models_of(session, run)] == [models[0].id, models[2].id, models[1].id]
    assert run.asked(m.EvaluationConfig).overlap == 2
    shown = manager.get(f"/projects/{cast.project.id}/runs/{run.id}").text
    assert f"Policy 1 against {models[2].name} and 1 other" in shown
    run.state = m.RunState.CANCELLED
    session.flush()
    headers, api = manager.bearer(cast.manager), f"/api/v1{base}/{models[0].id}/evaluations"
    body = {"baseline_id": models[2].id, "other_ids": [models[1].id], "comparisons": 2}
    made = manager.post(api, headers=headers, json=body)
    assert made.status_code == 201, made.text
    assert made.json()["config"]["other_ids"] == [models[1].id]


@pytest.mark.parametrize("other", [0, 2])
def test_a_model_twice_is_refused(session: Session, cast: Cast, models: list[m.Model], as_: As, other: int) -> None:
    with pytest.raises(Invalid, match="Choose different policies"):
        started(session, cast, [*models, models[other]])
    headers = as_("manager").bearer(cast.manager)
    body = {"baseline_id": models[2].id, "other_ids": [models[other].id]}
    url = f"/api/v1/projects/{cast.project.id}/policies/{models[0].id}/evaluations"
    assert as_("manager").post(url, headers=headers, json=body).status_code == 422
    assert session.scalars(select(m.Run)).all() == []


def test_more_models_than_a_ranking_shows_are_refused(session: Session, cast: Cast, models: list[m.Model]) -> None:
    more = [factories.model(session, cast.project, name=f"More {n}") for n in range(6)]
    with pytest.raises(Invalid, match="Between 2 and 8 models are compared at once, not 9"):
        started(session, cast, [*models, *more])
