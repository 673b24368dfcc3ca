"""A project like another: what comes along, and what stays where it was."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import (
    AuditEvent,
    Instructions,
    Member,
    ModelKind,
    Project,
    Prompt,
    PromptSource,
    PromptStatus,
    Role,
)
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.projects import queries, service
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.asking import asking


@pytest.fixture
def filled(cast: Cast, session: Session) -> Project:
    """The cast's project with settings of its own, and prompts of every kind."""
    source = cast.project
    service.change_guidelines(session, source, cast.manager, "Be **kind**.")
    service.change_settings(
        session, source, cast.manager, "answer", asking(questions=["Which is kinder?"], skip_reasons=["Latin"])
    )
    service.change_settings(session, source, cast.manager, "queue", _queue(source, overlap=3, check_share=0.1))
    factories.prompt(session, source, "One?", extra={"topic": "a"})
    factories.prompt(session, source, "Two?", split="holdout")
    factories.prompt(session, source, "Gone?", status=PromptStatus.WITHDRAWN)
    factories.prompt(session, source, "Shared?", source=PromptSource.CHAT)
    return source


def _queue(project: Project, **over: Any) -> Any:
    return service.settings_of(project, "queue").model_copy(update=over)


def clone(browser: Browser, project: Project, **body: Any) -> Any:
    address = f"/api/v1/projects/{project.id}/clone"
    return browser.post(address, json=body, headers={"X-CSRF-Token": browser.csrf()})


def test_settings_guidelines_and_questions_come_along(
    as_: Callable[[str], Browser], cast: Cast, filled: Project, session: Session
) -> None:
    made = clone(as_("manager"), filled, name="Again")
    assert made.status_code == 201, made.text
    new = session.get_one(Project, made.json()["id"])
    assert made.json()["url"].endswith(f"/projects/{new.id}")
    assert (new.name, new.guidelines, new.base_model_id) == ("Again", "Be **kind**.", filled.base_model_id)
    for section in ("sampling", "automation", "queue", "plan"):
        assert service.settings_of(new, section) == service.settings_of(filled, section)
    assert [each.text for each in new.answer.questions] == ["Which is kinder?"]
    assert [each.text for each in new.answer.skip_reasons] == ["Latin"]
    assert new.answer.questions[0].id != filled.answer.questions[0].id  # its answers are another project's
    assert new.answer.kinds == filled.answer.kinds
    [version] = session.scalars(select(Instructions).where(Instructions.project_id == new.id))
    assert (version.number, version.guidelines) == (1, "Be **kind**.")
    [member] = session.scalars(select(Member).where(Member.project_id == new.id))
    assert (member.user_id, member.role) == (cast.manager.id, Role.MANAGER)
    assert session.scalars(select(Prompt).where(Prompt.project_id == new.id)).all() == []
    said = session.scalars(select(AuditEvent.action).where(AuditEvent.project_id == new.id)).all()
    assert "project.cloned" in said


def test_prompts_in_the_loop_are_copied_where_they_are_wanted_but_not_those_from_chat(
    as_: Callable[[str], Browser], filled: Project, session: Session
) -> None:
    new = clone(as_("manager"), filled, name="Again", prompts=True).json()["id"]
    there = session.scalars(select(Prompt).where(Prompt.project_id == new).order_by(Prompt.id)).all()
    assert [prompt.messages[0]["content"] for prompt in there] == ["One?", "Two?"]
    assert [(prompt.split.value, prompt.extra) for prompt in there] == [("train", {"topic": "a"}), ("holdout", None)]
    before = session.scalars(select(Prompt.content_hash).where(Prompt.project_id == filled.id).order_by(Prompt.id))
    assert [prompt.content_hash for prompt in there] == list(before)[:2]


def test_a_plan_with_a_model_of_the_project_itself_stays_behind(
    as_: Callable[[str], Browser], filled: Project, session: Session
) -> None:
    policy = factories.model(session, filled, kind=ModelKind.POLICY)
    endpoint = factories.endpoint(session, name="Elsewhere")
    for model_id, comes in ((policy.id, False), (endpoint.id, True), (filled.base_model_id, True)):
        sources = [PlannedSource(model_id=None, responses=1), PlannedSource(model_id=model_id, responses=1)]
        filled.plan = SamplingPlan(sources=sources)
        session.flush()
        new = session.get_one(Project, clone(as_("manager"), filled, name="Again").json()["id"])
        assert new.plan == (filled.plan if comes else SamplingPlan()), model_id


def test_an_archived_project_is_cloned_and_restored_by_api(
    as_: Callable[[str], Browser], cast: Cast, filled: Project, session: Session
) -> None:
    manager, base = as_("manager"), f"/api/v1/projects/{filled.id}"
    assert manager.post(f"{base}/archive", headers={"X-CSRF-Token": manager.csrf()}).json()["archived_at"]
    assert manager.patch(base, json={"name": "x"}, headers={"X-CSRF-Token": manager.csrf()}).status_code == 409
    assert [one["id"] for one in manager.get("/api/v1/projects").json()["items"]] == []
    assert [one["id"] for one in manager.get("/api/v1/projects?archived=true").json()["items"]] == [filled.id]
    assert session.get_one(Project, clone(manager, filled, name="Again").json()["id"]).archived_at is None
    answer = manager.post(f"{base}/unarchive", headers={"X-CSRF-Token": manager.csrf()})
    assert answer.json()["archived_at"] is None


def test_each_part_comes_along_only_where_it_is_wanted(
    as_: Callable[[str], Browser], cast: Cast, filled: Project, session: Session
) -> None:
    paused = factories.user(session, name="Paused")
    factories.member(session, filled, paused, paused_at=datetime.now(UTC))
    session.flush()
    none = clone(as_("manager"), filled, name="Bare", settings=False, guidelines=False, questions=False)
    bare = session.get_one(Project, none.json()["id"])
    assert (bare.overlap, bare.guidelines, bare.answer.questions) == (1, service.DEFAULT_GUIDELINES, [])
    assert [each.text for each in bare.answer.skip_reasons] == list(service.DEFAULT_SKIP_REASONS)
    some = clone(as_("manager"), filled, name="Questions", settings=False, members=True)
    new = session.get_one(Project, some.json()["id"])
    assert (new.overlap, new.guidelines) == (1, "Be **kind**.")
    assert [each.text for each in new.answer.questions] == ["Which is kinder?"]
    roles = {member.user_id: member.role for member in queries.standing_members(session, new.id)}
    expected = {member.user_id: member.role for member in queries.standing_members(session, filled.id)}
    assert roles == {person: role for person, role in expected.items() if person != paused.id}
    [said] = session.scalars(
        select(AuditEvent).where(AuditEvent.project_id == new.id, AuditEvent.action == "members.copied")
    )
    assert said.details == {"copied": len(roles) - 1, "source": filled.name}  # whoever clones is in it anyway


def test_a_clone_of_a_clone_is_counted_on(as_: Callable[[str], Browser], filled: Project, session: Session) -> None:
    for name, next_name in (("Tone 2", "Tone 3"), ("2026", "2026 2"), ("x" * 100, "x" * 98 + " 2"), ("A 99", "A 100")):
        filled.name = name
        session.flush()
        assert f'value="{next_name}"' in as_("manager").get(f"/projects/{filled.id}/clone").text


def test_a_name_that_is_none_changes_nothing_and_keeps_what_was_typed(
    as_: Callable[[str], Browser], filled: Project, session: Session
) -> None:
    manager, before = as_("manager"), session.scalars(select(Project.id)).all()
    page = manager.get(f"/projects/{filled.id}/clone")
    assert page.status_code == 200
    assert f'value="{filled.name} 2"' in page.text
    refused = manager.submit(f"/projects/{filled.id}/clone", name="a\u200bb", prompts="true")
    assert refused.status_code == 422
    assert "cannot be seen" in refused.text
    assert "checked" in refused.text
    assert clone(manager, filled, name="").status_code == 422
    assert clone(manager, filled, name="x", people=True).status_code == 422
    for name in ("", " ", "y" * 101, "z" * 200_000, "a\nb"):
        refused = manager.submit(f"/projects/{filled.id}/clone", name=name, members="true")
        assert refused.status_code in (413, 422), len(name)
        assert 'name="settings" value="true" checked' not in refused.text  # what was left out stays left out
    assert session.scalars(select(Project.id)).all() == before
    done = manager.submit(f"/projects/{filled.id}/clone", name="By page", prompts="true")
    assert done.status_code == 303
    [new] = session.scalars(select(Project).where(Project.name == "By page"))
    assert done.headers["location"] == f"/projects/{new.id}"
    assert len(session.scalars(select(Prompt).where(Prompt.project_id == new.id)).all()) == 2
