"""The page and the calls of exports: what does not go together, and what is kept of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from app import models as m
from app.exports import queries
from app.exports.export import Export
from app.models.export_settings import ExportSettings
from tests.app.conftest import Browser, Cast
from tests.exporting import All, exported

As = Callable[[str], Browser]

WRONG = [
    ({"layout": "sft", "revisions": "true"}, "Only the layout everything has revisions"),
    ({"layout": "trl", "purpose": "check"}, "Attention checks are no preferences"),
    ({"rows": "pairs"}, "rows is of TRL&#39;s layouts"),
    ({"layout": "label-studio", "format": "csv"}, "Label Studio reads JSON"),
    ({"layout": "trl", "question": "Longer?"}, "asks no such question"),
    ({"format": "xml"}, "This must be one of"),
]


@pytest.mark.parametrize(("given", "sentence"), WRONG)
def test_what_does_not_go_together_is_said_and_kept(
    everything: All, cast: Cast, as_: As, given: dict[str, str], sentence: str
) -> None:
    page = as_("manager").get(f"/projects/{cast.project.id}/exports", params=given)
    assert page.status_code == 422
    assert sentence in page.text
    assert f'<option value="{given.get("layout", "")}" selected>' in page.text or "layout" not in given
    headers = as_("manager").bearer(cast.manager)
    for call in ("file", "preview"):
        refused = as_("manager").get(
            f"/api/v1/projects/{cast.project.id}/exports/{call}", params=given, headers=headers
        )
        assert refused.status_code == 422
    started = as_("manager").post(f"/api/v1/projects/{cast.project.id}/exports", json=given, headers=headers)
    assert started.status_code == 422
    assert everything.session.scalars(select(m.Run)).all() == []


def test_the_preview_is_the_first_rows(everything: All, cast: Cast, as_: As) -> None:
    headers = as_("manager").bearer(cast.manager)
    base = f"/api/v1/projects/{cast.project.id}/exports"
    found = as_("manager").get(f"{base}/preview", params={"layout": "trl"}, headers=headers).json()
    lines = as_("manager").get(f"{base}/file", params={"layout": "trl"}, headers=headers).text.splitlines()
    assert len(found["rows"]) == 3

    assert found["rows"] == [json.loads(line) for line in lines[:3]]
    assert set(found["columns"]) == set(found["rows"][0])


def test_people_are_numbers_unless_names_are_asked_for(everything: All, cast: Cast, as_: As) -> None:
    address = f"/projects/{cast.project.id}/exports/file"
    assert "Annotator" not in as_("manager").get(address).text
    named = as_("manager").get(address, params={"names": "true"}).text
    assert "Annotator" in named
    assert "@" not in named  # nobody's address


@pytest.mark.parametrize(
    "filters", [{"purpose": "train"}, {"outcome": "first"}, {"late": "true"}, {"commented": "true"}, {"annotator": "1"}]
)
def test_filters_leave_labels_out(everything: All, cast: Cast, as_: As, filters: dict[str, str]) -> None:
    address = f"/api/v1/projects/{cast.project.id}/exports/file"
    if "annotator" in filters:
        filters = {"annotator": str(cast.annotator.id)}
    headers = as_("manager").bearer(cast.manager)
    for layout in ("everything", "trl", "trl-conversational", "label-studio"):
        answers = [
            as_("manager").get(address, params={"layout": layout, **more}, headers=headers) for more in ({}, filters)
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert len(answers[1].content) <= len(answers[0].content)
        assert len(answers[1].content) < len(answers[0].content) or layout != "everything"


@pytest.mark.parametrize(
    "filters",
    [{}, {"annotator": 1}, {"split": "holdout"}, {"late": True}, {"purpose": "check"}, {"revisions": True},
     {"outcome": "tie"}, {"layout": "sft"}, {"commented": True, "split": "train"}],
)  # fmt: skip
def test_as_many_labels_are_counted_as_are_exported(everything: All, filters: dict[str, Any]) -> None:
    if "annotator" in filters:
        filters = {"annotator": everything.one.id}
    export = Export(everything.project, ExportSettings(**filters))
    assert export.count(everything.session, 100) == len(exported(everything.session, everything.project, **filters)) > 0


def test_the_first_rows_come_in_a_small_piece(everything: All, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits has something before a whole batch is read."""
    monkeypatch.setattr(queries, "FIRST", 2)
    pieces = Export(everything.project, ExportSettings()).pieces(everything.session)
    assert len(next(pieces).splitlines()) == 2
    assert len(next(pieces).splitlines()) == 11
