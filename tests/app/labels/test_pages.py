"""The labelling screen and the pages of labels through their routes."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.items import service as items
from app.web.markdown import rendering
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.app.labels.conftest import AddItems, said
from tests.asking import asking

As = Callable[[str], Browser]


def assignment_in(page: str) -> str:
    found = re.search(r'name="assignment_id" value="(\d+)"', page)
    assert found, page
    return found[1]


def opened(browser: Browser, cast: Cast) -> str:
    page = browser.get(f"/projects/{cast.project.id}/label")
    assert page.status_code == 200
    return assignment_in(page.text)


def labels_of(session: Session, project: m.Project) -> list[m.Label]:
    return list(session.scalars(select(m.Label).where(m.Label.project_id == project.id).order_by(m.Label.id)))


def test_the_screen_shows_both_answers_and_where_one_was_cut(
    session: Session, cast: Cast, as_: As, add_items: AddItems
) -> None:
    (item,) = add_items(cast.project)
    item.responses[0].text, item.responses[0].finish_reason = "Once <b>upon</b> a *time", "length"
    session.flush()
    page = as_("annotator").get(f"/projects/{cast.project.id}/label").text
    assert page.count("Cut off at the length limit") == 1
    assert page.count('data-finish="length"') == page.count('data-finish="stop"') == 1
    assert 'data-answer="1"' in page
    assert 'data-answer="2"' in page
    assert "Once &lt;b&gt;upon&lt;/b&gt; a *time" in page
    assert "base" not in re.sub(r"<head>.*?</head>", "", page, flags=re.S)  # no word of which model wrote it


def test_kept_html_is_shown_unless_another_version_made_it(
    session: Session, cast: Cast, as_: As, add_items: AddItems
) -> None:
    (item,) = add_items(cast.project)
    for response, made_by in ((item.responses[0], rendering()), (item.responses[1], "an older one")):
        response.text, response.html, response.html_by = "*anew*", f"<p>kept by {made_by}</p>", made_by
    session.flush()
    page = as_("annotator").get(f"/projects/{cast.project.id}/label").text
    assert page.count(f"<p>kept by {rendering()}</p>") == 1
    assert "kept by an older one" not in page
    assert page.count('<p dir="auto"><em>anew</em></p>') == 1


@pytest.mark.parametrize("made_by", [rendering(), "an older one"])
def test_a_prompts_kept_html_is_shown_unless_another_version_made_it(
    session: Session, cast: Cast, as_: As, add_items: AddItems, made_by: str
) -> None:
    (item,) = add_items(cast.project)
    item.prompt.messages = [{"role": "user", "content": "*first*"}, {"role": "assistant", "content": "*second*"}]
    item.prompt.html, item.prompt.html_by = ["<p>kept 1</p>", "<p>kept 2</p>"], made_by
    session.flush()
    page = as_("annotator").get(f"/projects/{cast.project.id}/label").text
    is_kept = made_by == rendering()
    assert (page.count("<p>kept 1</p>"), page.count("<p>kept 2</p>")) == (is_kept, is_kept)
    assert ("<em>first</em>" in page, "<em>second</em>" in page) == (not is_kept, not is_kept)


def test_without_javascript_an_answer_leads_to_the_next_item(
    session: Session, cast: Cast, as_: As, add_items: AddItems
) -> None:
    add_items(cast.project, 2)
    browser = as_("annotator")
    first = opened(browser, cast)
    sent = browser.submit(f"/projects/{cast.project.id}/label", assignment_id=first, answer="left")
    assert (sent.status_code, sent.headers["location"]) == (303, f"/projects/{cast.project.id}/label")
    assert opened(browser, cast) != first
    assert len(labels_of(session, cast.project)) == 1


def test_with_htmx_one_request_saves_and_brings_the_next_item(
    session: Session, cast: Cast, as_: As, add_items: AddItems
) -> None:
    add_items(cast.project, 2)
    browser = as_("annotator")
    first = opened(browser, cast)
    sent = browser.submit(
        f"/projects/{cast.project.id}/label",
        htmx=True,
        assignment_id=first,
        answer="both_bad",
        comment="neither",
        seconds="1.25",
    )
    assert sent.status_code == 200
    assert sent.text.lstrip().startswith("<section")
    assert assignment_in(sent.text) != first
    (label,) = labels_of(session, cast.project)
    assert (label.value, label.comment, label.seconds) == (said("both_bad").value, "neither", 1.25)
    again = browser.submit(
        f"/projects/{cast.project.id}/label", htmx=True, assignment_id=first, answer="both_bad", comment="neither"
    )
    assert assignment_in(again.text) == assignment_in(sent.text)
    assert len(labels_of(session, cast.project)) == 1


def test_undo_brings_the_last_item_with_its_answer_and_keeps_the_lease_of_the_next(
    session: Session, cast: Cast, as_: As, add_items: AddItems
) -> None:
    cast.project.answer = asking(levels=2, reasons=["Kinder"])
    add_items(cast.project, 2)
    browser = as_("annotator")
    address = f"/projects/{cast.project.id}/label"
    first = opened(browser, cast)
    browser.submit(address, assignment_id=first, answer="right-2", reasons="Kinder", comment="so kind")
    second = opened(browser, cast)
    undone = browser.get(f"{address}/undo?before={second}", follow_redirects=True).text
    assert assignment_in(undone) == first
    assert re.search(r'value="right-2"[^>]*aria-pressed="true"', undone)
    assert re.search(r'value="Kinder"[^>]*checked', undone)
    assert ">so kind</textarea>" in undone
    browser.submit(address, assignment_id=first, answer="left-1")
    assert opened(browser, cast) == second
    old, new = labels_of(session, cast.project)
    assert (old.superseded_at is not None, new.superseded_at, new.value) == (True, None, said("left", 1).value)
    assert browser.get(f"{address}/undo?before={first}").status_code == 404


def test_a_refused_answer_keeps_what_was_typed(session: Session, cast: Cast, as_: As, add_items: AddItems) -> None:
    cast.project.answer = asking(comment="required")
    add_items(cast.project)
    browser = as_("annotator")
    first = opened(browser, cast)
    page = browser.submit(f"/projects/{cast.project.id}/label", assignment_id=first, answer="left", comment=" ")
    assert page.status_code == 422
    assert assignment_in(page.text) == first
    assert re.search(r'value="left"[^>]*aria-pressed="true"', page.text)
    assert "say in a comment why" in page.text
    assert labels_of(session, cast.project) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"answer": "middle"}, 422),
        ({"answer": "left-4"}, 422),
        ({"answer": "left", "comment": "x" * 6_000}, 413),
        ({"answer": "left", "comment": "x" * 3_000_000}, 413),
        ({"answer": "left", "comment": "a\x00b"}, 422),
        ({"answer": "left", "seconds": "soon"}, 422),
        ({"answer": "left", "reasons": "Because"}, 422),
        ({"answer": "left", "colour": "red"}, 422),
        ({}, 422),
        ({"answer": "left", "assignment_id": "0"}, 422),
        ({"answer": "left", "assignment_id": "x"}, 422),
        ({"answer": "left", "assignment_id": "9" * 30}, 422),
        ({"answer": "left", "assignment_id": "999999999"}, 404),
    ],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_bad_input_is_refused_with_a_sentence_and_changes_nothing(
    session: Session, cast: Cast, as_: As, add_items: AddItems, fields: dict[str, str], status: int, htmx: bool
) -> None:
    add_items(cast.project)
    browser = as_("annotator")
    first = opened(browser, cast)
    sent = browser.submit(f"/projects/{cast.project.id}/label", htmx=htmx, **({"assignment_id": first} | fields))
    assert sent.status_code == status
    assert "Traceback" not in sent.text
    assert labels_of(session, cast.project) == []
    assert session.get_one(m.Assignment, int(first)).state is m.AssignmentState.OPEN


def test_bytes_that_are_no_utf8_are_refused(session: Session, cast: Cast, as_: As, add_items: AddItems) -> None:
    add_items(cast.project)
    browser = as_("annotator")
    first = opened(browser, cast)
    body = f"csrf_token={browser.csrf()}&assignment_id={first}&answer=left&comment=".encode() + b"%ff%fe%ed%a0%80"
    sent = browser.post(
        f"/projects/{cast.project.id}/label",
        content=body,
        headers={"Content-Type": "application/x-www-form-urlencoded", "HX-Request": "true"},
    )
    assert sent.status_code in (200, 422)  # the parser may put replacement characters; what is stored is Unicode
    for label in labels_of(session, cast.project):
        assert label.comment is not None
        label.comment.encode()


def test_the_answer_to_a_withdrawn_item_says_so_and_brings_the_next(
    session: Session, cast: Cast, as_: As, add_items: AddItems
) -> None:
    first, _ = add_items(cast.project, 2)
    browser = as_("annotator")
    number = opened(browser, cast)
    items.withdraw_prompts(session, cast.project, cast.manager, [first.prompt_id])
    sent = browser.submit(f"/projects/{cast.project.id}/label", htmx=True, assignment_id=number, answer="left")
    assert sent.status_code == 409
    assert "withdrawn meanwhile" in sent.text
    assert assignment_in(sent.text) != number


def test_the_screen_says_why_there_is_nothing(session: Session, cast: Cast, as_: As, add_items: AddItems) -> None:
    address = f"/projects/{cast.project.id}/label"
    browser = as_("annotator")
    assert "No pairs yet" in browser.get(address).text
    factories.run(session, cast.project, total_steps=8, step=3, state=m.RunState.RUNNING)
    assert "New pairs are on their way" in browser.get(address).text
    add_items(cast.project)
    number = opened(browser, cast)
    browser.submit(f"{address}/skip", assignment_id=number)
    assert "Review what I skipped (1)" in browser.get(address).text
    browser.submit(f"{address}/again")
    assert opened(browser, cast) == number
    member = session.get_one(m.Member, (cast.project.id, cast.annotator.id))
    member.paused_at, member.pause_reason = cast.project.created_at, "Please read the guidelines again"
    session.flush()
    paused = browser.get(address).text
    assert "paused" in paused
    assert "Please read the guidelines again" in paused
    sent = browser.submit(address, htmx=True, assignment_id=number, answer="tie")
    assert "paused" in sent.text
    assert len(labels_of(session, cast.project)) == 1  # what was begun is kept


def test_a_lease_is_renewed_by_the_page(session: Session, cast: Cast, as_: As, add_items: AddItems) -> None:
    add_items(cast.project)
    browser = as_("annotator")
    number = opened(browser, cast)
    address = f"/projects/{cast.project.id}/label"
    assert browser.submit(f"{address}/renew", assignment_id=number).status_code == 204
    browser.submit(f"{address}/skip", assignment_id=number)
    assert browser.submit(f"{address}/renew", assignment_id=number).status_code == 409


PAGES = ["label", "label/undo", "labels", "labels/mine", "labels/mine/1", "labels/quality", "exports", "exports/file"]
MANAGERS = [
    "prompts",
    "imports",
    "prompts/review",
    "prompts/1",
    "items",
    "items/1",
    "labels/quality",
    "exports",
    "exports/file",
]


@pytest.mark.parametrize("page", sorted({*PAGES, *MANAGERS}))
def test_outsiders_cannot_tell_that_a_project_exists(cast: Cast, as_: As, page: str) -> None:
    for who in ("outsider", "colleague"):
        assert as_(who).get(f"/projects/{cast.project.id}/{page}").status_code == 404
    assert as_("anonymous").get(f"/projects/{cast.project.id}/{page}").status_code == 303
    if page in MANAGERS:
        assert as_("annotator").get(f"/projects/{cast.project.id}/{page}").status_code == 403


@pytest.mark.parametrize(
    "action", ["imports", "prompts/starter", "prompts/review", "prompts/withdraw", "prompts/1/restore",
               "items/sample", "items/checks", "items/withdraw", "items/again",
               "items/overlap"],
)  # fmt: skip
def test_only_managers_act_on_data(cast: Cast, as_: As, action: str) -> None:
    assert as_("annotator").submit(f"/projects/{cast.project.id}/{action}").status_code == 403
    assert as_("outsider").submit(f"/projects/{cast.project.id}/{action}").status_code == 404


def test_my_labels_are_mine_alone(session: Session, cast: Cast, as_: As, add_items: AddItems) -> None:
    one, two = add_items(cast.project, 2)
    factories.label(session, one, cast.annotator, comment="my own words")
    factories.label(session, two, cast.manager, comment="the manager's words")
    page = as_("annotator").get(f"/projects/{cast.project.id}/labels").text
    assert "my own words" in page
    assert "the manager&#39;s words" not in page
    assert as_("annotator").get(f"/projects/{cast.project.id}/labels/mine/{one.id}").status_code == 200
    assert as_("annotator").get(f"/projects/{cast.project.id}/labels/mine/{two.id}").status_code == 404


def test_labelling_through_the_api(session: Session, cast: Cast, client: Browser, add_items: AddItems) -> None:
    add_items(cast.project, 2)
    headers = client.bearer(cast.annotator)
    base = f"/api/v1/projects/{cast.project.id}"
    task = client.post(f"{base}/label/next", headers=headers).json()["task"]
    assert client.post(f"{base}/label/next", headers=headers).json()["task"] == task
    body = {"assignment_id": task["assignment_id"], "answer": "right", "seconds": 2.0}
    first = client.post(f"{base}/label", json=body, headers=headers)
    assert first.status_code == 200
    assert client.post(f"{base}/label", json=body, headers=headers).json()["label"] == first.json()["label"]
    assert first.json()["next"]["assignment_id"] != task["assignment_id"]
    mine = client.get(f"{base}/labels/mine", headers=headers).json()["items"]
    assert [label["id"] for label in mine] == [first.json()["label"]]
    assert client.get(f"{base}/labels", headers=headers).status_code == 403
    bad = client.post(f"{base}/label", json=body | {"answer": "up"}, headers=headers)
    assert bad.status_code == 422
    assert bad.json()["errors"]["answer"]


def test_two_clients_on_one_token_hold_one_lease(
    session: Session, cast: Cast, client: Browser, add_items: AddItems
) -> None:
    add_items(cast.project, 2)
    headers = client.bearer(cast.annotator)
    tasks = [
        client.post(f"/api/v1/projects/{cast.project.id}/label/next", headers=headers).json()["task"] for _ in range(2)
    ]
    assert tasks[0] == tasks[1]
    held = session.scalars(select(m.Assignment).where(m.Assignment.annotator_id == cast.annotator.id)).all()
    assert len(held) == 1


def test_a_line_break_of_a_comment_is_one_character(session: Session, cast: Cast, as_: As, add_items: AddItems) -> None:
    """Browsers send two for each, and people count one."""
    add_items(cast.project, 2)
    browser, comment = as_("annotator"), "\r\n".join(["x" * 49] * 99) + "y" * 51
    for htmx, extra, status in ((True, "", 200), (False, "z", 413)):
        sent = browser.submit(
            f"/projects/{cast.project.id}/label",
            htmx=htmx,
            assignment_id=opened(browser, cast),
            answer="left",
            comment=comment + extra,
        )
        assert sent.status_code == status
    (label,) = labels_of(session, cast.project)
    assert label.comment == comment.replace("\r\n", "\n")
    assert len(label.comment) == 5_000


def test_who_says_which_label_they_saw_replaces_no_other(
    session: Session, cast: Cast, as_: As, add_items: AddItems
) -> None:
    """In the API, and on a page without a script."""
    add_items(cast.project, 2)
    browser, url = as_("annotator"), f"/projects/{cast.project.id}/label"
    given = {"assignment_id": int(opened(browser, cast)), "answer": "left"}
    headers, api = browser.bearer(cast.annotator), f"/api/v1{url}"

    def sent(**more: object) -> tuple[int, int]:
        answer = browser.post(api, json=given | more, headers=headers)
        return answer.status_code, len(labels_of(session, cast.project))

    assert sent(replaces=0) == (200, 1)
    assert sent(replaces=0) == (200, 1)  # the same once more
    assert sent(replaces=0, answer="tie") == (409, 1)
    (first,) = labels_of(session, cast.project)
    assert sent(replaces=first.id, answer="tie") == (200, 2)
    assert sent(replaces=first.id, answer="right") == (409, 2)
    assert sent(replaces=-1, answer="right") == (422, 2)
    assert sent(answer="right") == (200, 3)
    told = browser.submit(url, **given | {"replaces": first.id, "comment": "as I thought"})
    assert told.status_code == 409
    assert "in another tab or window" in told.text
    assert "as I thought" in told.text
    assert f'name="replaces" value="{labels_of(session, cast.project)[-1].id}"' in told.text
    assert len(labels_of(session, cast.project)) == 3
