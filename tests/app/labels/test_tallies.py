"""How many people said what of each pair: the database's counts beside plain ones, of labels drawn at random."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pytest
from sqlalchemy.orm import Session

from app import models as m
from app.annotation.comparison import ComparisonValue
from app.labels import quality_queries as queries
from tests import factories

A, NEITHER, B = range(3)
_PLACE = {"first": A, "tie": NEITHER, "both_bad": NEITHER, "second": B}


class Said(NamedTuple):
    """A preference of a label that stands, in the project asked about and of a purpose that counts."""

    prompt: int
    item: int
    kind: str
    who: int | None
    question: str
    first: int
    second: int
    place: int


def drawn(session: Session, project: m.Project, seed: int) -> list[Said]:
    """Labels of five people, of imported ones too, on 30 items of 12 prompts; what counts of them."""
    random, found = np.random.default_rng(seed), list[Said]()
    people = [factories.user(session) for _ in range(5)]
    file = factories.run(session, project, m.RunKind.IMPORT)
    imported = [m.ImportedAnnotator(project_id=project.id, name=f"rater {n}", aggregate=False) for n in range(3)]
    session.add_all(imported)
    session.flush()
    prompts = [factories.prompt(session, project) for _ in range(12)]
    for _ in range(30):
        prompt = prompts[random.integers(len(prompts))]
        kind, size = ("comparison", 2) if random.random() < 0.7 else ("ranking", 3)
        purpose = str(random.choice(["train", "evaluation", "check"], p=[0.7, 0.2, 0.1]))
        shown = [factories.response(session, prompt, project.base_model) for _ in range(size)]
        expected = {"best": 0} if purpose == "check" else None
        item = factories.item(
            session, prompt, project.base_model, responses=shown, kind=kind, purpose=m.Purpose(purpose),
            overlap_target=3, expected=expected,
        )  # fmt: skip
        raters: Sequence[m.User | m.ImportedAnnotator] = [*people, *imported]
        for at in random.choice(len(raters), random.integers(0, 6), replace=False):
            rater, stands = raters[at], random.random() < 0.9
            label = m.Label(
                project_id=project.id, item_id=item.id, order=list(range(size)),
                value=ComparisonValue(choice=m.Outcome.FIRST),
                superseded_at=None if stands else datetime.now(UTC), reasons=[],
            )  # fmt: skip
            if isinstance(rater, m.User):
                label.annotator_id = rater.id
            else:
                label.imported_annotator_id, label.run_id, label.import_key = rater.id, file.id, f"{item.id} {at}"
            session.add(label)
            session.flush()
            questions = ["", "kinder"] if random.random() < 0.3 else [""]
            for question in questions:
                for first, second in combinations(range(size), 2):
                    outcome = str(random.choice(["first", "second", "tie", "both_bad"], p=[0.4, 0.3, 0.2, 0.1]))
                    probability = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": None}[outcome]
                    session.add(m.Preference(
                        label_id=label.id, question=question, first=first, second=second,
                        outcome=m.Outcome(outcome), probability=probability,
                    ))  # fmt: skip
                    if stands and purpose != "check":
                        found.append(Said(
                            prompt.id, item.id, kind, label.annotator_id, question, first, second, _PLACE[outcome],
                        ))  # fmt: skip
            session.flush()
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_database_counts_as_one_does_by_hand(session: Session, seed: int) -> None:
    project, other = factories.project(session), factories.project(session)
    said = drawn(session, project, seed)
    drawn(session, other, seed + 100)  # is none of its business
    pairs: dict[tuple[str, str, int, int, int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in said:
        pairs[each.question, each.kind, each.prompt, each.item, each.first, each.second][each.place] += 1
    by_prompt = defaultdict(list)
    for (question, kind, prompt, *_), tally in pairs.items():
        if sum(tally) > 1:
            by_prompt[question, kind, prompt].append(tuple(tally))
    prompts = Counter((question, kind, tuple(sorted(each))) for (question, kind, _), each in by_prompt.items())
    assert len(prompts) > 5
    assert {
        (row.question, row.kind, tuple(map(tuple, row.tallies))): row.prompts
        for row in queries.prompt_tallies(session, project.id)
    } == prompts
    votes = Counter[tuple[int, ...]]()
    for each in said:
        tally = pairs[each.question, each.kind, each.prompt, each.item, each.first, each.second]
        if each.question == "" and each.who is not None and sum(tally) > 1:
            votes[each.who, each.place, *tally] += 1
    assert len(votes) > 5
    counted = Counter[tuple[int, ...]]()
    for row in queries.vote_tallies(session, project.id):
        if row.annotator_id is not None:
            counted[row.annotator_id, row.place, row.a, row.neither, row.b] += row.choices
    assert counted == votes
