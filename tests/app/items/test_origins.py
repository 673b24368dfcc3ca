"""Responses by models, by persons and from imports: everything that reads responses takes all three."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import models as m
from app.annotation.comparison import ComparisonValue
from app.items import queries
from app.items.forms import ItemConditions
from app.items.table import ITEMS
from app.labels.new_label import NewLabel
from app.labels.service import next_task, submit
from app.rewards import service as rewards
from app.rewards import snapshots
from app.web import tables
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.exporting import exported

As = Callable[[str], Browser]


@pytest.fixture
def mixed(session: Session, cast: Cast) -> m.Item:
    """A comparison of what a person wrote and what was imported."""
    prompt = factories.prompt(session, cast.project)
    return factories.item(
        session,
        prompt,
        cast.project.base_model,
        responses=[
            factories.response(session, prompt, author_id=cast.annotator.id, text="By hand."),
            factories.response(session, prompt, imported_from="gpt-neo", text="From a file."),
        ],
    )


@pytest.mark.parametrize(
    ("origins", "fits"),
    [
        ("model", True), ("author", True), ("import", True), ("", False), ("model author", False),
        ("author import", False), ("model import", False), ("model author import", False),
    ],
)  # fmt: skip
def test_a_response_has_exactly_one_origin(session: Session, cast: Cast, origins: str, fits: bool) -> None:
    prompt = factories.prompt(session, cast.project)
    columns: dict[str, Any] = {
        "model": {"model_id": cast.project.base_model_id},
        "author": {"author_id": cast.annotator.id},
        "import": {"imported_from": "somewhere"},
    }
    wanted: dict[str, Any] = {}
    for origin in origins.split():
        wanted |= columns[origin]
    if fits:
        kind = {"author": m.Origin.PERSON}.get(origins) or m.Origin(origins)
        assert factories.response(session, prompt, **wanted).origin is kind
        return
    with pytest.raises(IntegrityError, match="ck_response_origin"):
        factories.response(session, prompt, **wanted)


def test_pages_and_the_api_say_who_wrote_what(session: Session, cast: Cast, as_: As, mixed: m.Item) -> None:
    sampled = factories.item(session, mixed.prompt, cast.project.base_model)
    manager = as_("manager")
    page = manager.get(f"/projects/{cast.project.id}/items/{mixed.id}")
    assert page.status_code == 200
    assert f"Written by {cast.annotator.name}" in page.text
    assert "Imported from gpt-neo" in page.text
    assert "None" not in page.text
    model = manager.get(f"/projects/{cast.project.id}/items/{sampled.id}").text
    assert f"{cast.project.base_model.name}, sampled (temperature 1.0), 4 tokens" in model
    listed = manager.get(f"/projects/{cast.project.id}/items").text
    assert f"{cast.annotator.name}, gpt-neo" in listed
    headers = manager.bearer(cast.manager)
    found = manager.get(f"/api/v1/projects/{cast.project.id}/items/{mixed.id}", headers=headers).json()["responses"]
    assert [(each["origin"], each["model_id"], each["author_id"], each["imported_from"]) for each in found] == [
        ("person", None, cast.annotator.id, None),
        ("import", None, None, "gpt-neo"),
    ]
    assert {each["tokens"] for each in found} == {each["strategy"] for each in found} == {None}


def test_a_list_of_items_asks_for_all_writers_at_once(session: Session, cast: Cast, mixed: m.Item) -> None:
    session.expunge_all()
    wanted = queries.found(cast.project.id, ItemConditions())
    (found,) = tables.page(session, ITEMS, wanted, ITEMS.order).items
    unloaded = [each for response in found.responses for each in ("model", "author") if each not in response.__dict__]
    assert unloaded == []


def test_they_are_labelled_and_exported_like_any_other(session: Session, cast: Cast, as_: As, mixed: m.Item) -> None:
    page = as_("annotator").get(f"/projects/{cast.project.id}/label").text
    assert "By hand." in page
    assert 'data-finish=""' in page
    task = next_task(session, cast.project, cast.annotator, None)
    assert task is not None
    assert [shown.finish_reason for shown in task.responses] == [None, None]
    submit(session, cast.project, cast.annotator, None, task.id, NewLabel(ComparisonValue(choice=m.Outcome.FIRST)))
    (row,) = exported(session, cast.project)
    by_hand, from_a_file = row["responses"]
    assert (by_hand["model"], by_hand["author"], by_hand["name"]) == (None, cast.annotator.id, None)
    assert (from_a_file["model"], from_a_file["author"], from_a_file["imported_from"]) == (None, None, "gpt-neo")
    (trl,) = exported(session, cast.project, layout="trl")
    assert {trl["chosen"], trl["rejected"]} == {"By hand.", "From a file."}


def test_a_reward_model_learns_from_them_and_is_measured_without_their_lengths(
    session: Session, cast: Cast, mixed: m.Item
) -> None:
    factories.label(session, mixed, cast.annotator, m.Outcome.FIRST)
    others = []
    for n in range(5):
        prompt = factories.prompt(session, cast.project, split=m.Split.HOLDOUT if n == 4 else m.Split.TRAIN)
        others.append(factories.item(session, prompt, cast.project.base_model))
        factories.label(session, others[-1], cast.annotator, m.Outcome.FIRST)
    train, _ = snapshots.training_rows(session, snapshots.take(session, cast.project))
    row = next(row for row in train if row["pair_id"] == mixed.id)
    assert (row["chosen"], row["rejected"], row["preference"]) == ("By hand.", "From a file.", 1.0)
    mixed.prompt.split = m.Split.HOLDOUT
    reward = factories.model(session, cast.project, kind=m.ModelKind.REWARD)
    for item in (mixed, others[4]):
        for score, response in zip((1.0, -1.0), item.responses, strict=True):
            factories.response_score(session, reward, response, score)
    report = rewards.build_report(session, reward)
    assert report["holdout"]["labels"] == 2
    assert sum(row["labels"] for row in report["by_length"]) == 1  # whose lengths are known
