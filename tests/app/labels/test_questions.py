"""Further questions beside the main one: asked, answered, stored as the item's answers, told wherever labels are."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.annotation import RawLabel
from app.annotation.comparison import ComparisonValue
from app.annotation.comparison.kind import Comparison
from app.labels import leases, service
from app.labels.new_label import read_label
from app.web.errors import Invalid
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.app.labels.conftest import AddItems, outcome_of, outcomes, said
from tests.asking import asking
from tests.exporting import exported

As = Callable[[str], Browser]

KINDER, TRUER = "Which is kinder, to “everybody”?", "Which is more [often] true?"
A, B, TIE = m.Outcome.FIRST, m.Outcome.SECOND, m.Outcome.TIE
BOTH = {KINDER: "left", TRUER: "right"}


@pytest.fixture
def asked(session: Session, cast: Cast) -> m.Project:
    """The project asks two further questions."""
    cast.project.answer = asking(questions=[KINDER, TRUER])
    session.flush()
    return cast.project


def labels_of(session: Session, project: m.Project) -> list[m.Label]:
    return list(session.scalars(select(m.Label).where(m.Label.project_id == project.id).order_by(m.Label.id)))


def test_a_project_asks_at_most_four_different_questions() -> None:
    asked = asking(questions=[" Kinder? ", "Kinder?", "Truer?"]).questions
    assert [(each.id, each.text) for each in asked] == [("Kinder?", "Kinder?"), ("Truer?", "Truer?")]
    for wrong in (["a", "b", "c", "d", "e"], [""], ["x" * 81], ["two\nlines"]):
        with pytest.raises(ValidationError):
            asking(questions=wrong)


def test_every_question_has_keys_of_its_own() -> None:
    keys = [key for row in Comparison.question_keys for key in row]
    assert len(keys) == len(set(keys)) == 12
    assert not set(keys) & set("0123456789bsugrc?")


@pytest.mark.parametrize(
    ("given", "settings", "refusal"),
    [
        ({KINDER: "left"}, {}, f"answer “{re.escape(TRUER)}” too"),
        ({}, {}, f"answer “{re.escape(KINDER)}” too"),
        (BOTH | {KINDER: "both_bad"}, {}, "one of the choices"),
        (BOTH | {KINDER: "a"}, {}, "one of the choices"),
        (BOTH | {KINDER: ""}, {}, "one of the choices"),
        (BOTH | {KINDER: "tie"}, {"tie": False}, "takes no tie"),
        (BOTH | {"Which is longer?": "left"}, {}, "does not ask 'Which is longer"),
    ],
)
def test_an_answer_with_a_wrong_or_missing_question_is_refused(
    given: dict[str, str], settings: dict[str, Any], refusal: str
) -> None:
    with pytest.raises(Invalid, match=refusal) as refused:
        read_label(asking(questions=[KINDER, TRUER], **settings), "comparison", RawLabel("left", questions=given))
    assert "questions" in refused.value.errors


def test_a_good_answer_is_read_whole() -> None:
    given = {TRUER: "tie", KINDER: "right"}
    answer = read_label(asking(questions=[KINDER, TRUER]), "comparison", RawLabel("tie", questions=given))
    assert answer == said("tie", questions={KINDER: "right", TRUER: "tie"})
    assert isinstance(answer.value, ComparisonValue)
    assert (answer.value.word, answer.value.question_words) == ("tie", {KINDER: "right", TRUER: "tie"})


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_one_statement_resolves_each_question_by_the_display_order(
    session: Session, cast: Cast, asked: m.Project, add_items: AddItems, order: list[int]
) -> None:
    (item,) = add_items(asked)
    lease = factories.assignment(session, item, cast.annotator, order=order)
    answer = said("right", questions={KINDER: "left", TRUER: "right", "An equal one?": "tie"})
    done = service.submit(session, asked, cast.annotator, None, lease.id, answer)
    label = session.get_one(m.Label, done.label_id)
    left, right = outcome_of("left", order), outcome_of("right", order)
    assert label.late is False
    assert outcomes(label) == {"": right, KINDER: left, TRUER: right, "An equal one?": m.Outcome.TIE}
    assert [stated.probability for stated in label.preferences if not stated.question] == [1.0 - order[1]]
    assert answer.says_the_same(label)


def test_without_questions_nothing_is_stored_for_them(session: Session, cast: Cast, add_items: AddItems) -> None:
    add_items(cast.project)
    task = leases.claim_item(session, cast.project, cast.annotator)
    assert task
    done = service.submit(session, cast.project, cast.annotator, None, task.id, said("left"))
    assert session.get_one(m.Label, done.label_id).value == said("left").value


def test_another_answer_to_a_question_alone_is_a_revision(
    session: Session, cast: Cast, asked: m.Project, add_items: AddItems
) -> None:
    add_items(asked)
    task = leases.claim_item(session, asked, cast.annotator)
    assert task

    def send(**over: str) -> int | None:
        answer = said("left", questions=BOTH | over)
        return service.submit(session, asked, cast.annotator, None, task.id, answer).label_id

    first = send()
    assert send() == first
    second = send(**{TRUER: "tie"})
    assert second != first
    assert send(**{TRUER: "tie"}) == second
    old, new = labels_of(session, asked)
    session.refresh(old)
    assert (old.superseded_at is None, new.superseded_at) == (False, None)
    assert outcomes(old)[""] is outcomes(new)[""]
    assert (outcomes(old)[TRUER], outcomes(new)[TRUER]) == (outcome_of("right", task.order), m.Outcome.TIE)


def test_the_screen_asks_keeps_and_fills_in(
    session: Session, cast: Cast, asked: m.Project, as_: As, add_items: AddItems
) -> None:
    add_items(asked, 2)
    browser = as_("annotator")
    address = f"/projects/{asked.id}/label"
    page = browser.get(address).text
    number = re.search(r'name="assignment_id" value="(\d+)"', page)
    assert number
    assert page.count('role="radiogroup"') == 2
    assert page.count('type="radio"') == len(re.findall(r'type="radio"[^>]* required>', page)) == 6
    names = [f"questions[{KINDER}]", f"questions[{TRUER}]"]
    refused = browser.submit(address, assignment_id=number[1], answer="left", **{names[0]: "tie"})
    assert refused.status_code == 422
    assert f"Please answer “{TRUER}” too." in refused.text
    assert checked(refused.text) == [(names[0], "tie")]
    unknown = browser.submit(address, assignment_id=number[1], answer="left", **{"questions[Older?]": "left"})
    assert unknown.status_code == 422
    assert "load the page again" in unknown.text
    assert labels_of(session, asked) == []
    given = {names[0]: "right", names[1]: "tie"}
    assert browser.submit(address, assignment_id=number[1], answer="left", **given).status_code == 303
    again = browser.get(f"{address}?assignment={number[1]}").text
    assert dict(checked(again)) == given
    (label,) = labels_of(session, asked)
    assert outcomes(label) == {
        "": outcome_of("left", label.order),
        KINDER: outcome_of("right", label.order),
        TRUER: m.Outcome.TIE,
    }


def checked(page: str) -> list[tuple[str, str]]:
    return re.findall(r'type="radio" name="([^"]+)" value="(\w+)"[^>]* checked', page)


def test_where_there_is_no_tie_a_question_offers_none(
    cast: Cast, asked: m.Project, as_: As, add_items: AddItems
) -> None:
    asked.answer = asking(questions=[KINDER, TRUER], tie=False)
    add_items(asked)
    page = as_("annotator").get(f"/projects/{asked.id}/label").text
    assert re.findall(r'type="radio"[^>]* value="(\w+)" data-key="(.)"', page) == [
        ("left", "i"), ("right", "p"), ("left", "j"), ("right", "l"),
    ]  # fmt: skip
    assert "<dt><kbd>i</kbd> <kbd>p</kbd> </dt>" in page
    assert "<dt><kbd>j</kbd> <kbd>l</kbd> </dt>" in page


def test_the_api_takes_and_tells_them(cast: Cast, asked: m.Project, client: Browser, add_items: AddItems) -> None:
    add_items(asked)
    headers = client.bearer(cast.annotator)
    base = f"/api/v1/projects/{asked.id}"
    assert client.get(base, headers=headers).json()["answer"]["questions"] == [
        {"id": text, "text": text} for text in (KINDER, TRUER)
    ]
    task = client.post(f"{base}/label/next", headers=headers).json()["task"]
    body = {"assignment_id": task["assignment_id"], "answer": "right"}
    missing = client.post(f"{base}/label", json=body, headers=headers)
    assert missing.status_code == 422
    assert missing.json()["errors"]["questions"] == f"Please answer “{KINDER}” too."
    odd = client.post(f"{base}/label", json=body | {"questions": {KINDER: 1}}, headers=headers)
    assert odd.status_code == 422
    assert client.post(f"{base}/label", json=body | {"questions": BOTH}, headers=headers).status_code == 200
    (row,) = client.get(f"{base}/labels/mine", headers=headers).json()["items"]
    stated = {each["question"]: each["outcome"] for each in row["preferences"]}
    left, right = outcome_of("left", row["order"]), outcome_of("right", row["order"])
    assert stated == {"": right, KINDER: left, TRUER: right}


@pytest.fixture
def labelled(session: Session, cast: Cast, asked: m.Project, add_items: AddItems) -> list[m.Item]:
    """Three items that say A; of the kinder one B, tie, and never asked."""
    found = add_items(asked, 3)
    for item, questions in zip(found, ({KINDER: B, TRUER: A}, {KINDER: TIE, TRUER: A}, {}), strict=True):
        factories.label(session, item, cast.annotator, m.Outcome.FIRST, questions=questions)
    return found


def test_the_export_has_every_answer(session: Session, asked: m.Project, labelled: list[m.Item]) -> None:
    rows = exported(session, asked)
    assert [{each["text"]: each["outcome"] for each in row["preferences"]} for row in rows] == [
        {None: "first", KINDER: "second", TRUER: "first"},
        {None: "first", KINDER: "tie", TRUER: "first"},
        {None: "first"},
    ]


@pytest.mark.parametrize("rows", ["labels", "pairs"])
@pytest.mark.parametrize("layout", ["trl", "trl-conversational"])
def test_trl_rows_follow_the_question_that_is_asked_for(
    session: Session, asked: m.Project, as_: As, labelled: list[m.Item], layout: str, rows: str
) -> None:
    wanted = {"layout": layout, "rows": rows}
    main = exported(session, asked, **wanted)
    assert len(main) == 3
    (kinder,) = exported(session, asked, **wanted, question=KINDER)
    assert (kinder["chosen"], kinder["rejected"]) == (main[0]["rejected"], main[0]["chosen"])
    assert len(exported(session, asked, **wanted, question=KINDER, ties=True)) == 2
    truer = exported(session, asked, **wanted, question=TRUER)
    assert truer == [row | {"question": TRUER} for row in main[:2]]
    unknown = as_("manager").get(f"/projects/{asked.id}/exports/file", params={**wanted, "question": "Longer?"})
    assert unknown.status_code == 422


def test_lists_history_and_item_pages_tell_them(cast: Cast, asked: m.Project, as_: As, labelled: list[m.Item]) -> None:
    base = f"/projects/{asked.id}"
    listed = as_("manager").get(f"{base}/labels").text
    assert f"<bdi>{KINDER}</bdi> B<" in listed
    assert f'<option value="{KINDER}">' in as_("manager").get(f"{base}/exports").text
    assert f"<bdi>{KINDER}</bdi> B<" in as_("manager").get(f"{base}/items/{labelled[0].id}").text
    mine = as_("annotator").get(f"{base}/labels").text
    assert f"<bdi>{KINDER}</bdi> equal<" in mine
    history = as_("annotator").get(f"{base}/labels/mine/{labelled[0].id}").text
    assert f'<dt dir="auto">{KINDER}</dt><dd>Answer 2</dd>' in history


def test_agreement_is_measured_on_each_question(
    session: Session, cast: Cast, asked: m.Project, as_: As, labelled: list[m.Item]
) -> None:
    other = {KINDER: B, TRUER: B}
    for item in labelled:
        factories.label(session, item, cast.manager, m.Outcome.FIRST, questions=other)
    browser = as_("manager")
    said = browser.get(f"/api/v1/projects/{asked.id}/labels/quality", headers=browser.bearer(cast.manager)).json()
    assert (said["agreement"]["items"], said["agreement"]["percent"]) == (3, 1.0)
    # The third item has one answer to each question only, so it is no comparison. Kinder: b b, tie b. Truer: a b twice.
    assert (said["questions"][KINDER]["items"], said["questions"][KINDER]["percent"]) == (2, 0.5)
    assert (said["questions"][TRUER]["items"], said["questions"][TRUER]["percent"]) == (2, 0.0)
    page = browser.get(f"/projects/{asked.id}/labels/quality").text
    assert f'<th scope="row" dir="auto">{KINDER}</th>' in page


def test_a_renamed_question_keeps_its_answers_and_a_retired_one_its_text(
    session: Session, cast: Cast, as_: As, add_items: AddItems
) -> None:
    settings, project = f"/projects/{cast.project.id}/settings/answer", cast.project
    rows = {"questions[new-0]": "Kinder?", "questions[new-1]": "Truer?", "reasons[new-0]": "Short", "comment": "off"}
    as_("manager").submit(settings, **rows)
    session.refresh(project)
    (kinder, truer), (short,) = project.answer.questions, project.answer.reasons
    add_items(project, 1)
    number = re.search(
        r'name="assignment_id" value="(\d+)"', as_("annotator").get(f"/projects/{project.id}/label").text
    )
    assert number is not None
    answers = {f"questions[{kinder.id}]": "left", f"questions[{truer.id}]": "tie", "reasons": short.id}
    as_("annotator").submit(f"/projects/{project.id}/label", assignment_id=number[1], answer="left", **answers)
    (label,) = labels_of(session, project)
    assert set(outcomes(label)) == {"", kinder.id, truer.id}

    # One is renamed, one retired, and a new one takes the old text of the first.
    renamed = {f"questions[{kinder.id}]": "Friendlier?", f"questions[{truer.id}]": "", "questions[new-0]": "Kinder?"}
    as_("manager").submit(settings, **renamed, **{f"reasons[{short.id}]": "Brief"}, comment="off")
    session.refresh(project)
    friendlier, new = project.answer.questions
    assert (friendlier.id, friendlier.text, new.text) == (kinder.id, "Friendlier?", "Kinder?")
    assert new.id not in (kinder.id, truer.id)
    assert project.answer.former == {truer.id: "Truer?"}
    for page in ("labels", f"items/{label.item_id}", "labels/quality"):
        text = as_("manager").get(f"/projects/{project.id}/{page}").text
        if page != "labels/quality":
            assert "Friendlier?" in text
            assert "Truer?" in text
            assert "Brief" in text
        assert f">{kinder.id}" not in text
    (row,) = exported(session, project)
    assert {each["text"] for each in row["preferences"]} == {None, "Friendlier?", "Truer?"}
    assert row["reasons"] == [{"id": short.id, "text": "Brief"}]
    assert len(exported(session, project, layout="trl", question=kinder.id)) == 1
    assert exported(session, project, layout="trl", question=new.id) == []

    # Asked again by its text, the retired one is the same question.
    as_("manager").submit(
        settings, **{"questions[new-0]": "Truer?", f"questions[{kinder.id}]": "Kinder?"}, comment="off"
    )
    session.refresh(project)
    assert {(each.id, each.text) for each in project.answer.questions} == {(truer.id, "Truer?"), (kinder.id, "Kinder?")}
    assert project.answer.former == {short.id: "Brief"} | {new.id: "Kinder?"}
