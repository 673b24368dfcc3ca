"""One thing done to many rows: those marked or all that a filter finds, once, in batches, telling what is left out."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.catalog.bulk import BULK_MODELS
from app.catalog.table import MODELS
from app.items import routes
from app.items.bulk import BULK_ITEMS
from app.items.table import ITEMS
from app.labels.bulk import BULK_LABELS
from app.labels.table import LABELS
from app.models import AuditEvent, Item, Level, ModelState, Prompt, PromptStatus, Run, RunState
from app.projects.bulk_people import BULK_PEOPLE
from app.projects.table import PEOPLE
from app.runs.bulk import BULK_RUNS
from app.runs.table import RUNS
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]
BULKS = {
    "labels": BULK_LABELS, "people": BULK_PEOPLE, "runs": BULK_RUNS, "models": BULK_MODELS, "items": BULK_ITEMS,
}  # fmt: skip


def prompts(session: Session, cast: Cast, count: int, **more: Any) -> list[Prompt]:
    return [factories.prompt(session, cast.project, f"Cat {n}?", **more) for n in range(count)]


def fields(page: str) -> dict[str, Any]:
    """What the page that asks would send."""
    form = page[page.index('method="post" action="/projects/') :]
    found = re.findall(r'<input type="hidden" name="(.*?)" value="(.*?)">', form[: form.index("</form>")])
    given: dict[str, Any] = {}
    for name, value in found:
        if name != "csrf_token":
            given.setdefault(name, []).append(html.unescape(value))
    return given


def ask(browser: Browser, address: str, **params: Any) -> dict[str, Any]:
    page = browser.get(f"{address}/bulk", params=params)
    assert page.status_code == 200, page.text
    return fields(page.text)


def flash(browser: Browser, address: str) -> str:
    return html.unescape(re.findall(r'<p class="notice.*?>(.*?)</p>', browser.get(address).text)[0])


def test_marked_rows_are_asked_about_and_then_changed(session: Session, cast: Cast, as_: As) -> None:
    one, two, three = prompts(session, cast, 3)
    manager = as_("manager")
    page = manager.get(f"{address(cast)}/bulk", params={"action": "withdraw", "prompt": [one.id, three.id]})
    assert "Withdraw 2 prompts?" in page.text
    assert statuses(session, one, two, three) == ["active", "active", "active"]
    done = manager.submit(f"{address(cast)}/bulk", **fields(page.text))
    assert (done.status_code, done.headers["location"]) == (303, address(cast))
    assert flash(manager, address(cast)) == "Withdraw: 2 prompts."
    assert statuses(session, one, two, three) == ["withdrawn", "active", "withdrawn"]


def test_all_that_a_filter_finds_is_the_filter_and_not_the_rows(session: Session, cast: Cast, as_: As) -> None:
    cats, dog = prompts(session, cast, 3), factories.prompt(session, cast.project, "Dog?")
    factories.prompt(session, cast.other, "Cat of others?")
    manager = as_("manager")
    form = ask(manager, address(cast), action="withdraw", all="true", search="cat")
    assert (form["search"], form["seen"], "prompt" in form) == (["cat"], ["3"], False)
    late = factories.prompt(session, cast.project, "Cat that came meanwhile?")
    cats[0].status = PromptStatus.REFUSED
    cats[1].status = PromptStatus.WITHDRAWN
    session.flush()
    done = manager.submit(f"{address(cast)}/bulk", **form)
    assert done.headers["location"] == f"{address(cast)}?search=cat"
    assert flash(manager, address(cast)) == "Withdraw: 2 prompts. Left out: 1 withdrawn before."
    assert statuses(session, *cats, dog, late) == ["withdrawn", "withdrawn", "withdrawn", "active", "active"]


def test_rows_that_left_the_filter_meanwhile_are_told(session: Session, cast: Cast, as_: As) -> None:
    made = prompts(session, cast, 3)
    manager = as_("manager")
    form = ask(manager, address(cast), action="withdraw", all="true", status="active")
    made[0].status = PromptStatus.REFUSED
    session.flush()
    manager.submit(f"{address(cast)}/bulk", **form)
    told = "Withdraw: 2 prompts. Left out: 1 changed meanwhile, so that the filter finds them no more."
    assert flash(manager, address(cast)) == told


def test_a_form_that_is_sent_twice_is_carried_out_once(session: Session, cast: Cast, as_: As) -> None:
    item = done_item(session, cast)
    manager = as_("manager")
    form = ask(manager, items(cast), action="again", item=item.id)
    for _ in "ab":
        assert manager.submit(f"{items(cast)}/bulk", **form).status_code == 303
        assert "Ask for one more label: 1 pair." in flash(manager, items(cast))
    session.refresh(item)
    assert (item.overlap_target, item.slots_left) == (2, 1)


def test_the_same_from_two_tabs_is_done_once(session: Session, cast: Cast, as_: As) -> None:
    item = done_item(session, cast)
    manager = as_("manager")
    tabs = [ask(manager, items(cast), action="again", all="true") for _ in range(2)]
    for form in tabs:
        manager.submit(f"{items(cast)}/bulk", **form)
    assert "nothing was changed. Left out: 1 withdrawn, from a chat, or still waiting" in flash(manager, items(cast))
    session.refresh(item)
    assert (item.overlap_target, item.slots_left) == (2, 1)


def test_a_long_list_goes_in_batches_from_the_newest_on(
    session: Session, cast: Cast, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prompts(session, cast, 5)
    monkeypatch.setattr(routes, "BULK_PROMPTS", replace(routes.BULK_PROMPTS, batch=2))
    manager = as_("manager")
    form, told = ask(manager, address(cast), action="withdraw", all="true"), []
    while True:
        response = manager.submit(f"{address(cast)}/bulk", **form)
        if response.status_code == 303:
            break
        told.append(re.findall(r"<h1>(.*?)</h1>", response.text)[0])
        form = fields(response.text)
    assert told == ["Withdraw 3 prompts?", "Withdraw 1 prompt?"]
    assert flash(manager, address(cast)) == "Withdraw: 1 prompt."
    assert statuses(session, *made) == ["withdrawn"] * 5
    counted = session.scalar(select(func.count()).where(AuditEvent.action == "prompts.withdrawn"))
    assert counted == 3


def test_items_that_wait_are_put_first(session: Session, cast: Cast, as_: As) -> None:
    waiting, done = item_of(session, cast), done_item(session, cast)
    manager = as_("manager")
    manager.submit(f"{items(cast)}/bulk", **ask(manager, items(cast), action="first", all="true"))
    assert "Put first: 1 pair. Left out: 1 not waiting for a label" in flash(manager, items(cast))
    for each in (waiting, done):
        session.refresh(each)
    assert (waiting.level, done.level) == (Level.AGAIN, Level.TRAIN)


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"action": "withdraw"}, 422, "Mark at least one prompt first"),
        ({"action": "burn", "all": "true"}, 422, "There is: withdraw, restore, admit, reject"),
        ({"all": "true"}, 422, "Nothing of that name"),
        ({"action": "withdraw", "all": "true", "stauts": "active"}, 422, "has no stauts"),
        ({"action": "withdraw", "all": "true", "status": "lost"}, 422, "marked fields"),
        ({"action": "withdraw", "prompt": "1; drop"}, 422, "named by its number"),
        ({"action": "withdraw", "prompt": "9" * 30}, 422, "named by its number"),
        ({"action": "withdraw", "all": "true", "search": "x" * 300}, 422, "marked fields"),
        ({"action": "withdraw", "prompt": "987654"}, 200, "None of these are left"),
    ],
)
def test_what_makes_no_sense_is_refused(as_: As, cast: Cast, params: Any, status: int, said: str) -> None:
    response = as_("manager").get(f"{address(cast)}/bulk", params=params)
    assert response.status_code == status
    assert said in response.text


def test_rows_of_others_are_left_alone(session: Session, cast: Cast, as_: As) -> None:
    theirs = factories.prompt(session, cast.other)
    body = {"action": "withdraw", "ids": [theirs.id]}
    response = call(as_("manager"), cast, "prompts", body)
    assert response.json() == {
        "done": 0, "left_out": [{"why": "not in this list any more", "count": 1}], "upto": None,
    }  # fmt: skip
    assert statuses(session, theirs) == ["active"]


def test_the_api_does_the_same(session: Session, cast: Cast, as_: As) -> None:
    made = prompts(session, cast, 2)
    manager = as_("manager")
    body = {"action": "withdraw", "all": True, "search": "cat"}
    assert call(manager, cast, "prompts", body).json() == {"done": 2, "left_out": [], "upto": None}
    again = call(manager, cast, "prompts", body).json()
    assert again == {"done": 0, "left_out": [{"why": "withdrawn before", "count": 2}], "upto": None}
    assert call(manager, cast, "prompts", {"action": "restore", "ids": [made[0].id]}).json()["done"] == 1
    for wrong in (
        {"action": "withdraw"},
        {"action": "withdraw", "ids": [made[0].id], "all": True},
        {"action": "withdraw", "ids": [made[0].id], "status": "active"},
        {"action": "withdraw", "all": True, "stauts": "active"},
        {"action": "burn", "all": True},
    ):
        assert call(manager, cast, "prompts", wrong).status_code == 422
    assert statuses(session, *made) == ["active", "withdrawn"]


def call(browser: Browser, cast: Cast, what: str, body: Any) -> Any:
    path = f"/api/v1/projects/{cast.project.id}/{what}/bulk"
    return browser.post(path, json=body, headers={"X-CSRF-Token": browser.csrf()})


def item_of(session: Session, cast: Cast, **more: Any) -> Item:
    prompt = factories.prompt(session, cast.project)
    return factories.item(session, prompt, cast.project.base_model, **more)


def done_item(session: Session, cast: Cast) -> Item:
    return item_of(session, cast, overlap_target=1, slots_left=0)


def statuses(session: Session, *rows: Prompt) -> list[str]:
    for row in rows:
        session.refresh(row)
    return [row.status.value for row in rows]


def address(cast: Cast) -> str:
    return f"/projects/{cast.project.id}/prompts"


def items(cast: Cast) -> str:
    return f"/projects/{cast.project.id}/items"


def test_people_are_changed_as_if_each_were_alone(session: Session, cast: Cast, as_: As) -> None:
    manager, address = as_("manager"), f"/projects/{cast.project.id}/people"
    manager.submit(f"{address}/bulk", **ask(manager, address, action="annotator", all="true"))
    told = "Make annotator: 1 person. Left out: A project needs a manager. Make somebody else one first."
    assert flash(manager, address) == told
    manager.submit(f"{address}/bulk", **ask(manager, address, action="pause", all="true", role="annotator"))
    paused = call(manager, cast, "members", {"action": "resume", "all": True, "state": "paused"})
    assert paused.json()["done"] == 1
    listed = manager.get(f"/api/v1/projects/{cast.project.id}/members?sort=-name").json()["items"]
    assert [(each["name"], each["role"], each["paused_at"]) for each in listed] == [
        ("Manager", "manager", None), ("Annotator", "annotator", None),
    ]  # fmt: skip


def test_runs_that_cannot_be_deleted_are_told(session: Session, cast: Cast, as_: As) -> None:
    ended = factories.run(session, cast.project, state=RunState.FAILED)
    running = factories.run(session, cast.project, state=RunState.RUNNING)
    kept = factories.run(session, cast.other, state=RunState.FAILED)
    done = call(as_("manager"), cast, "runs", {"action": "delete", "ids": [ended.id, running.id, kept.id]}).json()
    assert (done["done"], done["upto"]) == (1, None)
    assert {each["why"] for each in done["left_out"]} == {
        f"Run {running.id} is running. Cancel it first.", "not in this list any more",
    }  # fmt: skip
    assert session.scalars(select(Run.id).order_by(Run.id)).all() == [running.id, kept.id]


def test_models_in_use_stay(session: Session, cast: Cast, as_: As) -> None:
    old = factories.model(session, cast.project, name="old")
    cast.project.policy_id = factories.model(session, cast.project, name="new").id
    session.flush()
    done = call(as_("manager"), cast, "models", {"action": "retire", "all": True}).json()
    assert done["done"] == 1
    assert len(done["left_out"]) == 2  # the current policy, and the base model, which is an administrator's
    session.refresh(old)
    assert old.state is ModelState.ARCHIVED


def test_the_pairs_of_labels_are_asked_again(session: Session, cast: Cast, as_: As) -> None:
    item = done_item(session, cast)
    label = factories.label(session, item, cast.annotator)
    manager, address = as_("manager"), f"/projects/{cast.project.id}/labels"
    form = ask(manager, address, action="again", label=label.id)
    for _ in range(2):
        assert manager.submit(f"{address}/bulk", **form).status_code == 303
    session.refresh(item)
    assert (item.overlap_target, item.slots_left) == (2, 1)
    (left,) = call(manager, cast, "labels", {"action": "again", "all": True}).json()["left_out"]
    assert left == {"why": "pair withdrawn, from a chat, or still waiting for a label", "count": 1}


@pytest.mark.parametrize("path", ["labels", "people", "runs", "models", "items"])
def test_every_list_knows_its_orders_and_columns(session: Session, cast: Cast, as_: As, path: str) -> None:
    item = done_item(session, cast)
    factories.label(session, item, cast.annotator)
    factories.run(session, cast.project, state=RunState.SUCCEEDED)
    table = {"labels": LABELS, "people": PEOPLE, "runs": RUNS, "models": MODELS, "items": ITEMS}[path]
    manager, address = as_("manager"), f"/projects/{cast.project.id}/{path}"
    columns = [("columns", column.name) for column in table.columns]
    for order in table.orders:
        page = manager.get(address, params=[("sort", order), *columns])
        assert page.status_code == 200
        assert 'aria-sort="' in page.text
        assert f'name="{table.mark}"' in page.text
    assert manager.get(f"{address}?sort=colour").status_code == 422
    assert manager.get(f"{address}?colour=red").status_code == 422
    assert {action.name for action in table.actions} == BULKS[path].acts.keys()
