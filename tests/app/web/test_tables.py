"""Lists as tables: orders and pages by key, filters in the address, chosen columns, totals, and what is refused."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.catalog.table import MODELS
from app.items.table import ITEMS
from app.labels.table import LABELS
from app.models import Prompt, PromptStatus, Split
from app.projects.table import PEOPLE
from app.prompts.forms import PromptFilter
from app.prompts.table import PROMPTS
from app.runs.table import RUNS
from app.web import tables
from app.web.errors import Conflict
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


def prompts(session: Session, cast: Cast, *turns: int) -> list[Prompt]:
    return [factories.prompt(session, cast.project, messages=conversation(count, n)) for n, count in enumerate(turns)]


def conversation(turns: int, number: int) -> list[dict[str, str]]:
    roles = ["user", "assistant"] * turns
    return [{"role": roles[place], "content": f"Number {number}, turn {place}"} for place in range(2 * turns - 1)]


def shown(text: str) -> list[int]:
    """The numbers of the prompts that a page lists, in its order."""
    return [int(found) for found in re.findall(r'name="prompt" value="(\d+)"', text)]


def every_page(session: Session, cast: Cast, order: str, limit: int) -> list[int]:
    found, before, seen = tables.Found(select(Prompt).where(Prompt.project_id == cast.project.id)), None, []
    while True:
        page = tables.page(session, PROMPTS, found, order, before, limit)
        seen += [prompt.id for prompt in page.items]
        before = page.before
        if before is None:
            return seen


@given(turns=st.lists(st.integers(1, 3), max_size=9), limit=st.integers(1, 4), order=st.sampled_from(PROMPTS.orders))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_by_key_are_the_whole_list_in_its_order(
    session: Session, cast: Cast, turns: list[int], limit: int, order: str
) -> None:
    with session.begin_nested() as savepoint:
        made = prompts(session, cast, *turns)
        keys = {"added": lambda row: (row.id,), "turns": lambda row: (len(row.messages), row.id)}
        expected = sorted(made, key=keys[order.removeprefix("-")], reverse=order.startswith("-"))
        assert every_page(session, cast, order, limit) == [prompt.id for prompt in expected]
        savepoint.rollback()


def test_a_page_goes_on_after_a_row_that_fits_the_filter_no_more(session: Session, cast: Cast, as_: As) -> None:
    made = prompts(session, cast, 2, 1, 2, 1)
    made[1].status = PromptStatus.WITHDRAWN
    session.flush()
    page = as_("manager").get(f"{address(cast)}?sort=turns&status=active&before={made[1].id}")
    assert shown(page.text) == [made[3].id, made[0].id, made[2].id]


def test_a_row_that_is_gone_ends_the_list_only_where_the_order_needs_it(session: Session, cast: Cast) -> None:
    first, gone = prompts(session, cast, 1, 1)
    session.delete(gone)
    session.flush()
    found = tables.Found(select(Prompt).where(Prompt.project_id == cast.project.id))
    assert tables.page(session, PROMPTS, found, "-added", gone.id).items == [first]
    with pytest.raises(Conflict, match="Begin with the first page again"):
        tables.page(session, PROMPTS, found, "-turns", gone.id)


def test_anothers_row_is_no_place_in_this_list(session: Session, cast: Cast, as_: As) -> None:
    theirs = factories.prompt(session, cast.other)
    response = as_("manager").get(f"{address(cast)}?sort=turns&before={theirs.id}")
    assert (response.status_code, "Begin with the first page again" in response.text) == (409, True)


def test_filters_and_orders_stay_in_every_address(session: Session, cast: Cast, as_: As) -> None:
    made = prompts(session, cast, 1, 2, 1)
    page = as_("manager").get(f"{address(cast)}?search=turn&sort=-turns&limit=2&split={made[0].split}").text
    assert f'href="{address(cast)}?search=turn' in page
    assert "sort=-turns" in page
    assert "sort=turns" in page  # the other way round
    assert f"before={shown(page)[-1]}" in page or len(shown(page)) < 2


def test_columns_are_chosen_and_remembered(session: Session, cast: Cast, as_: As) -> None:
    prompts(session, cast, 1)
    manager = as_("manager")
    assert heads(manager.get(address(cast)).text) == ["Prompt", "Turns", "Split", "Source", "Status", "Added"]
    chosen = manager.get(f"{address(cast)}?columns=prompt&columns=number&columns=added").text
    assert heads(chosen) == ["Prompt", "Number", "Added"]
    assert "columns=prompt&amp;columns=number&amp;columns=added" in chosen
    assert heads(manager.get(address(cast)).text) == ["Prompt", "Number", "Added"]
    manager.cookies.set("hone_columns_prompts", "gone.number", domain="localhost.local", path="/")
    assert heads(manager.get(address(cast)).text) == ["Prompt", "Number"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sort=colour", "This must be one of"),
        ("sort=-prompt", "This must be one of"),
        ("columns=colour", "There is no column colour in the list of prompts"),
        ("stauts=active", "The list of prompts has no stauts. It takes: before, columns"),
        ("status=lost", "This must be one of"),
        ("before=0", "This must be at least 1"),
        ("before=99999999999999999999", "This must be at most"),
        ("before=eJzT", "Please give a whole number"),
        ("limit=100000", "This must be at most 200"),
    ],
)
def test_what_a_list_does_not_know_is_refused(as_: As, cast: Cast, query: str, said: str) -> None:
    response = as_("manager").get(f"{address(cast)}?{query}")
    assert response.status_code == 422
    assert said in response.text


@pytest.mark.parametrize("text", ["🦔", "أين تقع النجف", "\u202eneercs", '"', "\\", "100%", "_"])
def test_any_text_is_searched_for_as_it_is(session: Session, cast: Cast, as_: As, text: str) -> None:
    found = factories.prompt(session, cast.project, f"What of {text}, then?")
    factories.prompt(session, cast.project, "Nothing of that here")
    page = as_("manager").get(address(cast), params={"search": text})
    assert shown(page.text) == [found.id]
    assert "1 prompt fits this filter" in " ".join(page.text.split())


def test_a_search_as_long_as_a_book_is_refused(as_: As, cast: Cast) -> None:
    manager = as_("manager")
    response = manager.get(address(cast), params={"search": "x" * 60_000})  # the client sends no longer addresses
    assert (response.status_code, "at most 200 characters" in response.text) == (422, True)
    form = {"action": "withdraw", "all": "true", "search": "x" * 200_000}
    assert manager.submit(f"{address(cast)}/bulk", **form).status_code == 422


def test_what_fits_nothing_says_what_to_do(as_: As, cast: Cast, session: Session) -> None:
    manager = as_("manager")
    assert "No prompts yet" in manager.get(address(cast)).text
    prompts(session, cast, 1)
    nothing = manager.get(f"{address(cast)}?status=refused").text
    assert "No prompt fits this filter" in nothing
    assert "Show all prompts" in nothing


def test_totals_are_counted_up_to_a_bound(session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts(session, cast, 1, 1, 1)
    found = tables.Found(select(Prompt).where(Prompt.project_id == cast.project.id))
    assert tables.total(session, PROMPTS, found).of(PROMPTS) == "3 prompts"
    monkeypatch.setattr(tables, "MOST_COUNTED", 2)
    assert tables.total(session, PROMPTS, found).of(PROMPTS) == "2+ prompts"


def test_the_api_has_the_same_orders(session: Session, cast: Cast, client: Browser) -> None:
    made = prompts(session, cast, 2, 1, 3)
    headers, path = client.bearer(cast.manager), f"/api/v1{address(cast)}"
    first = client.get(f"{path}?sort=-turns&limit=2", headers=headers).json()
    assert [each["id"] for each in first["items"]] == [made[2].id, made[0].id]
    rest = client.get(f"{path}?sort=-turns&limit=2&before={first['before']}", headers=headers).json()
    assert ([each["id"] for each in rest["items"]], rest["before"]) == ([made[1].id], None)
    assert client.get(f"{path}?sort=colour", headers=headers).status_code == 422


def test_a_filter_reads_in_words() -> None:
    words = tables.told(PROMPTS, PromptFilter(search="cat", split=Split.HOLDOUT, sort="turns"))
    assert words == ["Containing: cat", "Split: Holdout"]


def heads(text: str) -> list[str]:
    found = re.findall(r"<th scope=\"col\".*?>(.*?)</th>", text, re.DOTALL)
    return [re.sub(r"<.*?>|[↑↓]", "", each).strip() for each in found]


def address(cast: Cast | SimpleNamespace | Any) -> str:
    return f"/projects/{cast.project.id}/prompts"


def test_no_field_of_a_filter_hides_what_a_form_can_do() -> None:
    """`form.contains` is the field of that name, where there is one: scripts that ask whether a form holds an element
    fail."""
    lists = (PROMPTS, ITEMS, LABELS, PEOPLE, RUNS, MODELS)
    names = {one.name for table in lists for one in table.filters}
    assert "search" in names
    assert not names & {"contains", "matches", "closest", "remove", "submit", "reset"}
