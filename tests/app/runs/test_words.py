"""A run's name, tags and note: said on its page or by a program, found by them in the list, shown where runs are."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.models import Run
from app.runs import queries, views
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


def run(session: Session, cast: Cast, **words: object) -> Run:
    made: Run = factories.training(session, cast.project, **words)
    return made


def test_a_manager_says_what_a_run_is(as_: As, cast: Cast, session: Session) -> None:
    one = run(session, cast)
    page, browser = f"/projects/{cast.project.id}/runs/{one.id}", as_("manager")
    said = browser.submit(
        f"{page}/words", name=" Warm start ", tags="baseline,  long   answers, baseline,,", note="As\nbefore"
    )
    assert said.headers["location"] == f"{page}#words"
    session.refresh(one)
    assert (one.name, one.tags, one.note) == ("Warm start", ["baseline", "long answers"], "As\nbefore")
    shown = browser.get(page).text
    assert views.title(one).endswith(f" {one.id}: Warm start")
    assert views.title(one) in shown
    assert 'value="baseline, long answers"' in shown
    events = browser.get(f"/projects/{cast.project.id}/audit").text
    assert f"changed the name, tags, note of run {one.id}" in events


def test_what_cannot_be_said_is_told_by_its_field_and_kept(as_: As, cast: Cast, session: Session) -> None:
    one = run(session, cast, name="Before")
    words = {"name": "n" * 121, "tags": "fine, " + "t" * 41, "note": "<b>مرحبا</b> \U0001f600"}
    answer = as_("manager").submit(f"/projects/{cast.project.id}/runs/{one.id}/words", **words)
    assert answer.status_code == 422
    assert "A tag has at most 40 characters; commas set them apart." in answer.text
    assert 'id="error-name"' in answer.text
    assert 'id="error-tags"' in answer.text
    assert "n" * 121 in answer.text
    assert "t" * 41 in answer.text
    assert "&lt;b&gt;مرحبا&lt;/b&gt;" in answer.text
    session.refresh(one)
    assert (one.name, one.tags, one.note) == ("Before", [], "")


def test_runs_are_found_by_what_was_said_of_them(as_: As, cast: Cast, session: Session) -> None:
    warm, cold = (
        run(session, cast, name="Warm 100%", tags=["long"]),
        run(session, cast, note="COLD", tags=["long", "b"]),
    )
    other = factories.training(session, cast.other, name="Warm elsewhere", tags=["theirs"])
    base, browser = f"/projects/{cast.project.id}/runs", as_("manager")

    def listed(query: str) -> set[int]:
        text = browser.get(f"{base}?{query}").text
        return {each.id for each in (warm, cold, other) if f'aria-label="Mark run {each.id}"' in text}

    asked = ("tag=long", "tag=b", "tag=lon", "search=cold", "search=100%25", "search=_")
    assert [listed(query) for query in asked] == [
        {warm.id, cold.id}, {cold.id}, set(), {cold.id}, {warm.id}, set(),
    ]  # fmt: skip
    assert queries.tags_of(session, cast.project) == ["b", "long"]
    compared = browser.get(f"{base}/compare?run={warm.id}&tag=b").text
    assert f'value="{warm.id}" checked' in compared
    assert f'value="{cold.id}"' in compared
    assert "Warm 100%" in compared
    assert "theirs" not in compared


def test_a_program_says_and_compares_too(as_: As, cast: Cast, session: Session) -> None:
    one, two = run(session, cast), run(session, cast, tags=["x"], note="Kept")
    base, token = f"/api/v1/projects/{cast.project.id}", as_("anonymous").bearer(cast.manager)
    browser = as_("anonymous")
    changed = browser.patch(f"{base}/runs/{two.id}", json={"name": "Two"}, headers=token)
    assert (changed.json()["name"], changed.json()["tags"], changed.json()["note"]) == ("Two", ["x"], "Kept")
    refused = browser.patch(f"{base}/runs/{two.id}", json={"tags": ["t" * 41]}, headers=token)
    assert refused.status_code == 422
    assert "tags" in str(refused.json()["errors"])
    found = browser.get(f"{base}/runs/compare?run={one.id}&run={two.id}", headers=token).json()
    assert [line["run"]["id"] for line in found["lines"]] == [one.id, two.id]
    tags = [column["key"] for column in found["columns"]].index("tags")
    assert [line["cells"][tags] for line in found["lines"]] == ["–", "x"]
    presets = {each["name"]: each["presets"] for each in browser.get(f"{base}/methods", headers=token).json()["items"]}
    assert [preset["name"] for preset in presets["reward"]] == ["quick", "balanced", "thorough"]
    guess = browser.post(f"{base}/runs/estimate", json={"method": "reward"}, headers=token).json()
    assert guess["seconds"] is None
    assert guess["why"].startswith("Time not known yet")


def test_only_administrators_describe_the_preparation_of_a_base_model(as_: As, cast: Cast, session: Session) -> None:
    from app.models import PreparationConfig, RunKind

    base = cast.project.base_model
    shared = factories.run(
        session, cast.project, RunKind.PREPARATION, config=PreparationConfig(source=base.source or ""), model_id=base.id
    )
    page = f"/projects/{cast.project.id}/runs/{shared.id}"
    assert 'id="words"' not in as_("manager").get(page).text
    assert as_("manager").submit(f"{page}/words", name="Mine").status_code == 403
    assert as_("admin").submit(f"{page}/words", name="Ours").status_code == 303
