"""Responses that people write and improve: what becomes of them, and what is no answer."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import models as m
from app.annotation.demonstration.value import LONGEST
from app.labels import leases, quality
from app.rewards import snapshots
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.exporting import exported

As = Callable[[str], Browser]
IDEAL = "A tree is a tall plant.\n\n- It has **leaves**."


@pytest.fixture
def add(session: Session, cast: Cast) -> Callable[..., m.Item]:
    """`add("A plant.")`: an item to improve this; without a text, one to write."""

    def make(original: str | None = None, split: m.Split = m.Split.TRAIN, **over: Any) -> m.Item:
        prompt = factories.prompt(session, cast.project, "What is a tree?", split=split)
        model = cast.project.base_model
        shown = [] if original is None else [factories.response(session, prompt, model, text=original)]
        return factories.item(session, prompt, model, kind="demonstration", responses=shown, **over)

    return make


def write(browser: Browser, cast: Cast, text: str, htmx: bool = False, **over: Any) -> Any:
    """Send a text to the item that is shown."""
    page = browser.get(f"/projects/{cast.project.id}/label").text
    assignment = page.split('name="assignment_id" value="')[1].split('"')[0]
    fields = {"assignment_id": assignment, "kind": "demonstration", "answer": text} | over
    return browser.submit(f"/projects/{cast.project.id}/label", htmx=htmx, **fields)


def labels(session: Session) -> list[m.Label]:
    return list(session.scalars(select(m.Label).order_by(m.Label.id).execution_options(populate_existing=True)))


def rows(session: Session, cast: Cast) -> list[dict[str, Any]]:
    return exported(session, cast.project, layout="sft")


def written(session: Session, label: m.Label) -> m.Response:
    found = select(m.Response).join(m.ItemResponse).where(m.ItemResponse.label_id == label.id)
    return session.scalars(found).one()


def test_a_written_response(session: Session, cast: Cast, as_: As, add: Callable[..., m.Item]) -> None:
    item = add()
    page = as_("annotator").get(f"/projects/{cast.project.id}/label").text
    assert "Write the ideal answer" in page
    assert "Changes and preview" not in page
    assert write(as_("annotator"), cast, IDEAL.replace("\n", "\r\n") + "  \r\n").status_code == 303
    (label,) = labels(session)
    assert label.value.model_dump() == {"kind": "demonstration", "text": IDEAL, "improves": False}
    response = written(session, label)
    assert (response.text, response.author_id, response.origin) == (IDEAL, cast.annotator.id, m.Origin.PERSON)
    assert "<strong>leaves</strong>" in (response.html or "")
    assert response.prompt_id == item.prompt_id
    assert (label.order, label.late, label.surplus, label.preferences) == ([8], False, False, [])
    session.refresh(item)
    assert item.slots_left == 0


def test_an_improved_response_is_preferred_to_the_one_that_it_began_as(
    session: Session, cast: Cast, as_: As, add: Callable[..., m.Item]
) -> None:
    item = add("A plant.")
    page = as_("annotator").get(f"/projects/{cast.project.id}/label").text
    assert "Improve this answer" in page
    assert "A plant.</textarea>" in page
    write(as_("annotator"), cast, IDEAL)
    (label,) = labels(session)
    (stated,) = label.preferences
    assert (stated.first, stated.second, stated.outcome, stated.probability) == (0, 8, m.Outcome.SECOND, 0.0)
    assert label.order == [0, 8]
    session.expire(item)
    assert [(each.position, each.response.text, each.label_id) for each in item.item_responses] == [
        (0, "A plant.", None),
        (8, IDEAL, label.id),
    ]


def test_another_text_is_a_revision_and_the_same_one_none(
    session: Session, cast: Cast, as_: As, add: Callable[..., m.Item]
) -> None:
    add("A plant.")
    annotator, base = as_("annotator"), f"/projects/{cast.project.id}"
    write(annotator, cast, "First.")
    (first,) = labels(session)
    again = {"assignment_id": str(first.assignment_id), "kind": "demonstration"}
    assert "First.</textarea>" in annotator.get(f"{base}/label?assignment={first.assignment_id}").text
    annotator.submit(f"{base}/label", answer=" First.", **again)
    assert len(labels(session)) == 1
    annotator.submit(f"{base}/label", answer="Second.", **again)
    old, new = labels(session)
    assert (old.superseded_at is not None, new.superseded_at) == (True, None)
    assert (written(session, old).text, written(session, new).text) == ("First.", "Second.")  # both are kept
    assert [(each.first, each.second) for each in new.preferences] == [(0, 9)]
    assert [row["completion"][0]["content"] for row in rows(session, cast)] == ["Second."]
    assert "improved, 1 word<" in annotator.get(f"{base}/labels/mine/{new.item_id}").text
    assert annotator.get(f"{base}/labels/mine").status_code == 200


def test_nobody_is_shown_what_another_wrote(session: Session, cast: Cast, as_: As, add: Callable[..., m.Item]) -> None:
    item = add("A plant.", overlap_target=3, slots_left=3)
    write(as_("annotator"), cast, "Hidden words.")
    task = leases.claim_item(session, cast.project, cast.manager)
    assert task is not None
    assert (task.item_id, task.order, [shown.text for shown in task.responses]) == (item.id, (0,), ["A plant."])
    assert "Hidden words" not in as_("manager").get(f"/projects/{cast.project.id}/label").text
    write(as_("manager"), cast, "Other words.")
    session.expire(item)
    assert [each.position for each in item.item_responses] == [0, 8, 9]
    assert [[(each.first, each.second) for each in label.preferences] for label in labels(session)] == [
        [(0, 8)],
        [(0, 9)],
    ]


BAD = [
    ("", "Write the answer first.", 422),
    (" \r\n\t ", "Write the answer first.", 422),
    ("  A \n plant.  ", "This is the answer as it was.", 422),
    ("x" * (LONGEST + 1), f"The answer has {LONGEST + 1:,} characters; at most {LONGEST:,} are kept.", 413),
    ("Beep\x07", "U+0007", 422),
    ("Zero\x00", "", 422),
    ("Half \ud83d pair", "", 422),
]


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(("text", "sentence", "status"), BAD)
def test_what_is_no_answer_changes_nothing_and_stays_typed(
    session: Session, cast: Cast, as_: As, add: Callable[..., m.Item], text: str, sentence: str, status: int, htmx: bool
) -> None:
    add("A plant.")
    annotator = as_("annotator")
    page = annotator.get(f"/projects/{cast.project.id}/label").text
    assignment = page.split('name="assignment_id" value="')[1].split('"')[0]
    from urllib.parse import urlencode

    body = urlencode(
        {"csrf_token": annotator.csrf(), "assignment_id": assignment, "kind": "demonstration", "answer": text},
        errors="surrogatepass",
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({"HX-Request": "true"} if htmx else {})
    answer = annotator.post(f"/projects/{cast.project.id}/label", content=body.encode(), headers=headers)
    if "\ud83d" in text:  # no UTF-8, so it is read as replacement characters, which can be kept
        assert answer.status_code in (200, 303, 400, 422)
        return
    assert answer.status_code == status
    assert sentence in answer.text
    assert labels(session) == []
    assert session.scalar(select(func.count()).select_from(m.ItemResponse).where(m.ItemResponse.position > 7)) == 0
    assert session.scalars(select(m.Assignment)).one().state is m.AssignmentState.OPEN
    if not htmx and text.strip() and "\x00" not in text:
        assert f"\n{text.strip()[:50]}"[:20].strip() in answer.text  # what was typed is still in the box


def test_the_api_refuses_the_same(session: Session, cast: Cast, client: Browser, add: Callable[..., m.Item]) -> None:
    add("A plant.")
    base, headers = f"/api/v1/projects/{cast.project.id}", client.bearer(cast.annotator)
    task = client.post(f"{base}/label/next", headers=headers).json()["task"]
    assert (task["kind"], [shown["text"] for shown in task["responses"]]) == ("demonstration", ["A plant."])
    body = {"assignment_id": task["assignment_id"], "kind": "demonstration"}
    for text, sentence, status in BAD:
        content = json.dumps(body | {"answer": text})
        found = client.post(f"{base}/label", content=content, headers=headers | {"Content-Type": "application/json"})
        assert found.status_code == status, text[:20]
        assert sentence in found.text
    other = body | {"kind": "comparison", "answer": "left"}
    assert client.post(f"{base}/label", json=other, headers=headers).status_code == 409
    assert labels(session) == []
    assert client.post(f"{base}/label", json=body | {"answer": IDEAL}, headers=headers).status_code == 200
    assert len(labels(session)) == 1


def test_a_text_is_no_answer_to_a_comparison(session: Session, cast: Cast, as_: As) -> None:
    factories.item(session, factories.prompt(session, cast.project), cast.project.base_model)
    found = write(as_("annotator"), cast, IDEAL)
    assert found.status_code == 409
    assert labels(session) == []
    assert session.scalars(select(m.ItemResponse).where(m.ItemResponse.position > 7)).all() == []


def test_a_late_text_is_kept(session: Session, cast: Cast, as_: As, add: Callable[..., m.Item]) -> None:
    item = add("A plant.")
    annotator = as_("annotator")
    task = leases.claim_item(session, cast.project, cast.annotator)
    assert task is not None
    assignment = session.get_one(m.Assignment, task.id)
    assignment.state = m.AssignmentState.EXPIRED
    item.slots_left = 0  # somebody else holds it now
    session.flush()
    fields = {"assignment_id": str(task.id), "kind": "demonstration", "answer": IDEAL}
    annotator.submit(f"/projects/{cast.project.id}/label", **fields)
    (label,) = labels(session)
    assert (label.late, label.surplus, written(session, label).text) == (True, True, IDEAL)
    assert rows(session, cast) != []


def test_positions_say_whether_a_response_is_shown(session: Session, cast: Cast, add: Callable[..., m.Item]) -> None:
    item = add("A plant.")
    response = factories.response(session, item.prompt, author_id=cast.annotator.id)
    for position in (8, -1):
        values = {"item_id": item.id, "position": position, "response_id": response.id}
        with pytest.raises(IntegrityError, match="ck_item_response_position"), session.begin_nested():
            session.execute(insert(m.ItemResponse).values(values))


def test_the_preview_shows_changes_and_rendering_and_keeps_nothing(
    session: Session, cast: Cast, as_: As, add: Callable[..., m.Item]
) -> None:
    add("A plant.")
    annotator, base = as_("annotator"), f"/projects/{cast.project.id}/label"
    page = annotator.get(base).text
    fields = {"assignment_id": page.split('name="assignment_id" value="')[1].split('"')[0], "kind": "demonstration"}
    typed = "A **tall** plant.<script>alert(1)</script> ![x](https://evil.example/x.png)"
    part = annotator.submit(f"{base}/preview", htmx=True, answer=typed, **fields).text
    assert part.lstrip().startswith("<div")
    assert "<ins>**tall** </ins>" in part or "<ins>" in part
    assert "<strong>tall</strong>" in part
    assert "<script" not in part
    assert "<img" not in part
    whole = annotator.submit(f"{base}/preview", answer=typed, **fields)  # without JavaScript
    assert whole.status_code == 200
    assert "<strong>tall</strong>" in whole.text
    assert "A **tall** plant.&lt;script&gt;" in whole.text
    assert labels(session) == []
    assert as_("manager").submit(f"{base}/preview", htmx=True, answer="x", **fields).status_code == 404
    factories.item(session, factories.prompt(session, cast.project), cast.project.base_model, level=0)
    other = leases.claim_item(session, cast.project, cast.manager)
    assert other is not None
    asked = {"assignment_id": str(other.id), "answer": "x"}
    assert as_("manager").submit(f"{base}/preview", htmx=True, **asked).status_code == 404


def test_the_api_previews_the_same(
    session: Session, cast: Cast, as_: As, client: Browser, add: Callable[..., m.Item]
) -> None:
    add("A plant.")
    base, headers = f"/api/v1/projects/{cast.project.id}/label", client.bearer(cast.annotator)
    held = client.post(f"{base}/next", headers=headers).json()["task"]["assignment_id"]
    body = {"assignment_id": held, "kind": "demonstration", "answer": "A **tall** plant."}
    found = client.post(f"{base}/preview", headers=headers, json=body)
    assert found.status_code == 200
    assert "<strong>tall</strong>" in found.json()["html"]
    changes = [(each["change"], each["text"]) for each in found.json()["changes"]]
    assert changes == [("kept", "A"), ("added", " **tall**"), ("kept", " plant.")]
    assert found.json()["words"] == 3
    nothing = client.post(f"{base}/preview", headers=headers, json=body | {"answer": " "}).json()
    assert (nothing["html"], nothing["words"]) == (None, 0)
    assert labels(session) == []
    other = client.bearer(cast.manager)
    assert client.post(f"{base}/preview", headers=other, json=body).status_code == 404
    factories.item(session, factories.prompt(session, cast.project), cast.project.base_model, level=0)
    pair = client.post(f"{base}/next", headers=other).json()["task"]["assignment_id"]
    refused = client.post(f"{base}/preview", headers=other, json={"assignment_id": pair, "answer": "left"})
    assert (refused.status_code, "no preview" in refused.text) == (404, True)


@pytest.fixture
def many(session: Session, cast: Cast, as_: As, add: Callable[..., m.Item]) -> list[str]:
    """Improved and written texts on prompts of either split."""
    texts = []
    for number, split in enumerate([m.Split.TRAIN] * 5 + [m.Split.HOLDOUT] * 3):
        add("A plant." if number % 2 == 0 else None, split=split)
        texts.append(f"{split.value} text number {number}.")
        write(as_("annotator"), cast, texts[-1])
    return texts


def test_rows_for_fine_tuning_have_no_holdout_prompt(
    session: Session, cast: Cast, as_: As, many: list[str], add: Callable[..., m.Item]
) -> None:
    prompt = [{"role": "user", "content": "What is a tree?"}]
    found = exported(session, cast.project, layout="sft")
    assert {str(row["prompt"]) for row in found} == {str(prompt)}
    assert [row["completion"][0]["content"] for row in found] == [text for text in many if text.startswith("train")]
    assert {(row["annotator"], row["completion_from"]["author"]) for row in found} == {(cast.annotator.id,) * 2}
    held = exported(session, cast.project, layout="sft", split="holdout")
    assert [row["completion"][0]["content"] for row in held] == [text for text in many if text.startswith("holdout")]


def test_other_exports_have_them_too(session: Session, cast: Cast, as_: As, many: list[str]) -> None:
    rows = exported(session, cast.project)
    assert [json.loads(row["value"])["text"] for row in rows] == many
    assert [[each["author"] for each in row["responses"]] for row in rows[:2]] == [
        [None, cast.annotator.id],
        [cast.annotator.id],
    ]
    assert {row["kind"] for row in rows} == {"demonstration"}
    assert [len(row["preferences"]) for row in rows[:2]] == [1, 0]
    trl = exported(session, cast.project, layout="trl")
    assert [(row["chosen"], row["rejected"]) for row in trl] == [(text, "A plant.") for text in many[::2]]


def test_a_reward_model_learns_that_improved_is_better(
    session: Session, cast: Cast, as_: As, many: list[str], add: Callable[..., m.Item]
) -> None:
    for text in ("One more.", "And one."):
        add("A plant.")
        write(as_("annotator"), cast, text)
    train, holdout = snapshots.training_rows(session, snapshots.take(session, cast.project))
    improved = [*many[::2], "One more.", "And one."]
    assert [row["chosen"] for row in train] == [text for text in improved if not text.startswith("holdout")]
    assert [row["chosen"] for row in holdout] == [text for text in improved if text.startswith("holdout")]
    assert {(row["rejected"], row["preference"], row["raters"]) for row in (*train, *holdout)} == {("A plant.", 1.0, 1)}


def test_improved_responses_are_measured_by_nobody(session: Session, cast: Cast, many: list[str]) -> None:
    found = quality._count(session, cast.project.id)
    assert found.agreement.alpha is None
    (person,) = found.annotators
    assert (person.labels, person.left_share) == (8, None)


def test_pages_show_what_was_written(session: Session, cast: Cast, as_: As, many: list[str]) -> None:
    manager, base = as_("manager"), f"/projects/{cast.project.id}"
    assert "Agreement: not measured" in manager.get(f"{base}/labels/quality").text
    label = labels(session)[0]
    page = manager.get(f"{base}/items/{label.item_id}").text
    assert many[0] in page
    assert f"Written by {cast.annotator.name}" in page
    for path in ("items", "labels", "labels/quality", "labels?outcome=second", f"items/{labels(session)[1].item_id}"):
        assert manager.get(f"{base}/{path}").status_code == 200
