"""How people label: planted annotators, figures by hand, and the page."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pytest
from sqlalchemy.orm import Session

from app import models as m
from app.annotation.comparison import ComparisonValue
from app.bulk import insert_all, new_ids
from app.labels.habits import look
from app.statistics.shares import wilson
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.app.labels.conftest import AddItems

A, B, TIE = 0, 2, 1


class Vote(NamedTuple):
    """A row as `quality_queries.votes` has it."""

    label_id: int
    who: int
    item_id: int
    place: int
    prompt_id: int = 1
    first: int = 0
    second: int = 1
    passed: bool | None = None
    seconds: float | None = 8.0
    complete: bool = True
    chose_left: bool | None = None
    first_response: int = 0
    second_response: int = 0
    first_length: int = 100
    second_length: int = 100


KINDS = [*["careful"] * 6, "careless", "left", "slow", "adversary"]


def planted(seed: int, labels: int = 5000, overlap: int = 3, checks: float = 0.1) -> list[Vote]:
    """What `KINDS` of people say: pairs are clear to different degrees (5/6 of people prefer the better one, on
    average), and each label is followed by a check now and then. One is slow to learn: a coin at first,
    careful after 400."""
    random, rows, done = np.random.default_rng(seed), [], [0] * len(KINDS)
    for item in range(1, int(labels * (1 - checks)) // overlap + 1):
        better, clear = random.integers(2), random.beta(4, 0.8)
        for who in random.choice(len(KINDS), overlap, replace=False).tolist():
            learnt = 0.5 + 0.45 * min(1.0, done[who] / 400)
            care = {"careful": 0.97, "careless": 0.6, "left": 0.5, "slow": learnt, "adversary": 0.03}[KINDS[who]]
            done[who] += 1
            first_left = bool(random.integers(2))
            said_better = (random.random() < clear) == (random.random() < care)
            first = said_better == (better == 0)
            if KINDS[who] == "left":
                first = first_left
            rows.append(Vote(len(rows), who, item, A if first else B, chose_left=first == first_left))
            if random.random() < checks / (1 - checks):
                passed = bool(random.random() < care)
                left = bool(random.integers(2))
                rows.append(Vote(len(rows), who, -len(rows), A if passed else B, passed=passed, chose_left=left))
    return rows


@pytest.mark.parametrize("seed", range(7))
def test_each_bad_one_is_named_and_no_careful_one(seed: int) -> None:
    states = {(KINDS[who], habits.state) for who, habits in look(planted(seed)).people.items()}
    assert ("careful", None) in states
    assert {kind for kind, state in states if state is None} == {"careful"}
    assert {kind for kind, state in states if state is not None} == set(KINDS) - {"careful"}
    assert dict(states - {("careful", None)}) == {
        "careless": "careless", "left": "one-sided", "slow": "careless", "adversary": "contrary",
    }  # fmt: skip


def _stored(session: Session, project: m.Project, people: list[m.User], votes: list[Vote]) -> None:
    """The rows of the database that planted votes come from: an item for each, on 100 prompts."""
    model = factories.model(session, project)
    prompts = [factories.prompt(session, project, f"What about {n}?") for n in range(100)]
    pairs = [[factories.response(session, prompt, model).id for _ in range(2)] for prompt in prompts]
    numbers = sorted({vote.item_id for vote in votes})
    items = dict(zip(numbers, new_ids(session, m.Item, len(numbers)), strict=True))
    leases, labels = new_ids(session, m.Assignment, len(votes)), new_ids(session, m.Label, len(votes))
    of = {"project_id": project.id}
    asked = [
        {"id": id_, "prompt_id": prompts[id_ % 100].id, "purpose": "check" if number < 0 else "train", **of,
         "kind": "comparison", "slots_left": 0, "overlap_target": 1 if number < 0 else 3,
         "expected": {"best": 0} if number < 0 else None}
        for number, id_ in items.items()
    ]  # fmt: skip
    shown = [
        {"item_id": id_, "position": place, "response_id": pairs[id_ % 100][place]}
        for id_ in items.values()
        for place in (0, 1)
    ]
    given = [
        (lease, label, vote, {"item_id": items[vote.item_id], "annotator_id": people[vote.who].id,
         "order": [0, 1] if (vote.place == A) == vote.chose_left else [1, 0], **of})
        for lease, label, vote in zip(leases, labels, votes, strict=True)
    ]  # fmt: skip
    insert_all(session, m.Item, asked)
    insert_all(session, m.ItemResponse, shown)
    until = {"state": "labelled", "expires_at": datetime.now(UTC)}
    insert_all(session, m.Assignment, [{"id": lease, **until, **who} for lease, _, _, who in given])
    said = {A: (m.Outcome.FIRST, 1.0), B: (m.Outcome.SECOND, 0.0)}
    insert_all(session, m.Label, [
        {"id": label, "assignment_id": lease, "seconds": vote.seconds, "passed": vote.passed,
         "value": ComparisonValue(choice=said[vote.place][0]), **who}
        for lease, label, vote, who in given
    ])  # fmt: skip
    insert_all(session, m.Preference, [
        {"label_id": label, "question": "", "first": 0, "second": 1, "outcome": said[vote.place][0].value,
         "probability": said[vote.place][1]}
        for _, label, vote, _ in given
    ])  # fmt: skip


def test_the_page_names_each_bad_one_of_those_who_gave_5000_labels(
    session: Session, cast: Cast, as_: Callable[[str], Browser]
) -> None:
    people = [factories.user(session, name=f"{kind.title()} {n}") for n, kind in enumerate(KINDS)]
    _stored(session, cast.project, people, planted(7))
    page = as_("manager").get(f"/projects/{cast.project.id}/labels/quality").text
    listed = page.partition("<h2>To look at</h2>")[2].partition("</ul>")[0]
    found = dict(re.findall(r'<li><b>(.+?)</b> <span class="badge warn">(.+?)</span>', listed))
    assert found == {
        "Careless 6": "careless", "Left 7": "one-sided", "Slow 8": "careless", "Adversary 9": "contrary",
    }  # fmt: skip
    slow = listed.partition("Slow 8")[2].partition("</li>")[0]
    assert "Agrees with the others more often than at first." in slow


def test_what_planted_people_are_like() -> None:
    found = look(planted(0))
    people = dict(zip(KINDS, [found.people[who] for who in range(len(KINDS))], strict=True))
    assert people["careful"].reliability > 0.75 > people["careless"].reliability > 0.5 > people["adversary"].reliability
    slow = people["slow"].over_time
    assert slow[-1] > slow[0] + 0.1  # the timeline shows who learned
    careful = [each for each in found.couples if each.one < 6 and each.other < 6]
    worst = [each for each in found.couples if each.other == len(KINDS) - 1]
    assert min(each.share for each in careful) > max(each.share for each in worst)


def test_figures_by_hand() -> None:
    rows = [
        Vote(1, 7, 1, A, first_response=1, second_response=2, first_length=200, seconds=1.0),
        Vote(2, 7, 2, B, first_response=2, second_response=1, second_length=200, seconds=50.0),  # the same once more
        Vote(3, 7, 3, B, first_response=1, second_response=2, first_length=200),  # and now the other
        Vote(4, 7, 4, TIE, first_response=8, second_response=9, first_length=300),
        Vote(5, 7, 5, A, first_response=10, second_response=11, first_length=105),  # alike in length
        Vote(6, 8, 1, A, first_response=1, second_response=2, first_length=200),
        Vote(7, 8, 3, A, first_response=1, second_response=2, first_length=200),
    ]
    found = look(rows)
    habits = found.people[7]
    assert (habits.repeats, habits.same) == (2, 1)
    assert habits.longer == pytest.approx(2 / 3)
    assert [(each.one, each.other, each.pairs, each.share) for each in found.couples] == [(7, 8, 2, 0.5)]
    assert found.paces == [1, 0, 5, 0, 0, 1, 0]
    assert (habits.words_per_minute, habits.tracks_length, habits.state) == (None, None, None)  # too few labels


def test_taste_for_length_is_told_by_prompt() -> None:
    """40 choices on two prompts, all of the longer one on either: as sure as two trials; on 40 prompts as 40."""
    few, many = (
        [Vote(n, 1, n, A, n % prompts, first_length=200) for n in range(1, 41)] for prompts in (2, 40)
    )  # fmt: skip
    for rows, trials in ((few, 2), (many, 40)):
        habits = look(rows).people[1]
        assert (habits.longer, habits.longer_low, habits.longer_high) == (1.0, *wilson(trials, trials))


def test_time_that_grows_with_length() -> None:
    lengths = np.random.default_rng(0).integers(100, 4000, 120).tolist()
    reading = [
        Vote(n, 1, n, A, seconds=length / 20, first_length=length, second_length=0) for n, length in enumerate(lengths)
    ]
    clicking = [Vote(n, 2, n, A, seconds=2 + n % 3, first_length=length) for n, length in enumerate(lengths)]
    one, other = look(reading).people[1], look(clicking).people[2]
    assert one.words_per_minute == pytest.approx(20 * 60 / 6)
    assert one.tracks_length == pytest.approx(1.0)
    assert abs(other.tracks_length or 1) < 0.4
    assert look(clicking[:99]).people[2].tracks_length is None  # as yet


def test_the_page_names_who_is_to_be_looked_at_and_what_to_do(
    session: Session, cast: Cast, add_items: AddItems, as_: Callable[[str], Browser]
) -> None:
    left, other = cast.annotator, factories.user(session, name="Other One")
    factories.member(session, cast.project, other)
    for number, item in enumerate(add_items(cast.project, 110, overlap=2)):
        item.slots_left = 0
        factories.label(
            session, item, left, m.Outcome.FIRST, seconds=1.0 + number % 9
        )  # these rows show it on the left
        factories.label(session, item, other, m.Outcome.FIRST if number % 2 else m.Outcome.SECOND, seconds=12.0)
    page = as_("manager").get(f"/projects/{cast.project.id}/labels/quality").text
    assert "To look at" in page
    assert "Chooses one side far more often than chance explains" in page
    assert page.count('<span class="badge warn">one-sided</span>') == 2  # in the list and in the table
    assert "in the first 50 pairs" in page
    assert "Who agrees with whom" in page
    assert "50% of 110 pairs alike" in page
    assert "10–20 seconds: 110 labels" in page
    said: dict[str, Any] = (
        as_("manager")
        .get(f"/api/v1/projects/{cast.project.id}/labels/quality", headers=as_("manager").bearer(cast.manager))
        .json()
    )
    states = {person["name"]: person["habits"]["state"] for person in said["annotators"]}
    assert states == {left.name: "one-sided", "Other One": None}
    assert said["couples"] == [{"one": left.id, "other": other.id, "pairs": 110, "share": 0.5}]
    assert sum(said["paces"]) == 220
