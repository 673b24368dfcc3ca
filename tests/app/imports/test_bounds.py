"""Rows of our own export with values that no export has: refused by name, since columns could not hold them, or since
they would weigh in a training what they must not."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.imports.reading import Ready, opened
from app.models import ImportConfig
from formats import Refusal
from tests.asking import asking

PREFERENCE = {"question": "", "first": 0, "second": 1, "outcome": "first", "strength": 2, "levels": 3, "probability": 1,
              "raters": 1}  # fmt: skip
RESPONSE = {"position": 0, "text": "So.", "temperature": 1.0, "top_p": 0.9}
ROW = {"label": 2, "item": 1, "kind": "comparison", "prompt": [{"role": "user", "content": "Why?"}],
       "responses": [RESPONSE, {"position": 1, "text": "No."}], "preferences": [PREFERENCE], "order": [1, 0],
       "value": "{}", "reasons": [{"id": "q7", "text": "Short"}], "seconds": 2.5}  # fmt: skip


def read(tmp_path: Path, row: dict[str, Any], what: Any = "labels") -> Ready | Refusal:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    [(_, found)] = opened(path, ImportConfig(file="", name="", what=what), asking(levels=3)).rows()
    return found


def test_the_row_itself_is_taken(tmp_path: Path) -> None:
    found = read(tmp_path, ROW)
    assert isinstance(found, Ready)
    [opinion] = found.opinions
    assert (opinion.given.seconds, opinion.given.reasons) == (2.5, ("Short",))
    assert [(each["probability"], each["strength"], each["raters"]) for each in opinion.preferences] == [(0.0, 2, 1)]


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"raters": -5}, '"raters" must be'),
        ({"raters": 0.5}, '"raters" must be'),
        ({"raters": 10**30}, '"raters" must be'),
        ({"probability": 3}, "must be from 0 to 1"),
        ({"probability": -1}, "must be from 0 to 1"),
        ({"probability": 0.2}, "says another"),
        ({"outcome": "tie"}, "says another"),
        ({"second": 0}, "of no two responses"),
        ({"levels": -2}, "strength"),
        ({"levels": 0}, "strength"),
        ({"strength": -1}, "strength"),
    ],
)
def test_a_preference_that_says_what_none_can_is_refused(tmp_path: Path, over: dict[str, Any], reason: str) -> None:
    found = read(tmp_path, ROW | {"preferences": [PREFERENCE | over]})
    assert isinstance(found, Refusal)
    assert reason in found.reason


@pytest.mark.parametrize("over", [{"levels": 1e-320}, {"strength": 1e308, "levels": 1e-5}, {"strength": 99}])
def test_a_strength_over_its_scale_is_the_most_that_there_is(tmp_path: Path, over: dict[str, Any]) -> None:
    found = read(tmp_path, ROW | {"preferences": [PREFERENCE | over]})
    assert isinstance(found, Ready)
    assert found.opinions[0].preferences[0]["strength"] == 3


@pytest.mark.parametrize("rating", [3, -3])
def test_a_scale_of_label_studio_that_is_none_is_refused(tmp_path: Path, rating: int) -> None:
    pairwise = {"from_name": "c", "to_name": "answer1,answer2", "type": "pairwise", "value": {"selected": "left"}}
    strength = {"from_name": "strength", "to_name": "prompt", "type": "rating", "value": {"rating": rating}}
    data = {"prompt": "Why?", "answer1": "So.", "answer2": "No.", "strength_of": -4}
    task = {"id": 1, "data": data, "annotations": [{"completed_by": 1, "result": [pairwise, strength]}]}
    found = read(tmp_path, task)
    assert isinstance(found, Refusal)
    assert "strength" in found.reason


@pytest.mark.parametrize("seconds", [-3, 1e300, "nan", "inf", "-inf"])
def test_a_time_that_nobody_takes_is_refused(tmp_path: Path, seconds: Any) -> None:
    found = read(tmp_path, ROW | {"seconds": seconds})
    assert isinstance(found, Refusal)
    assert found.reason == '"seconds" cannot be read.'


@pytest.mark.parametrize("over", [{"temperature": "nan"}, {"temperature": -1}, {"top_p": "inf"}, {"top_p": 5}])
def test_sampling_that_no_model_does_is_refused(tmp_path: Path, over: dict[str, Any]) -> None:
    found = read(tmp_path, ROW | {"responses": [RESPONSE | over, {"position": 1, "text": "No."}]})
    assert isinstance(found, Refusal)
    assert found.reason == f'"{next(iter(over))}" of a response cannot be read.'


def test_a_reason_without_words_is_none(tmp_path: Path) -> None:
    found = read(tmp_path, ROW | {"reasons": [{"id": " "}, {"id": "x", "text": ""}]})
    assert isinstance(found, Ready)
    assert found.opinions[0].given.reasons == ("x",)


def test_an_annotator_without_a_name_is_nobody(tmp_path: Path) -> None:
    found = read(tmp_path, {"prompt": "Why?", "chosen": "So.", "rejected": "No.", "annotator": " \t"})
    assert isinstance(found, Ready)
    assert found.opinions[0].annotator is None
