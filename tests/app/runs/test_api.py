"""Runs of all projects in one list, through the JSON API."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.models import Role, RunKind, RunState
from tests import factories
from tests.app.conftest import Browser, Cast


def test_a_manager_sees_the_runs_of_their_projects_and_an_administrator_all(
    as_: Callable[[str], Browser], cast: Cast, session: Session
) -> None:
    mine, theirs = factories.run(session, cast.project), factories.run(session, cast.other)
    preparing = factories.run(session, cast.project, RunKind.PREPARATION, project_id=None)
    second = factories.project(session)
    factories.member(session, second, cast.manager, Role.MANAGER)
    done = factories.run(session, second, state=RunState.FAILED)
    only_labels = factories.project(session)
    factories.member(session, only_labels, cast.manager, Role.ANNOTATOR)
    hidden = factories.run(session, only_labels)

    def listed(who: str, query: str = "") -> list[int]:
        return [each["id"] for each in as_(who).get(f"/api/v1/runs{query}").json()["items"]]

    assert listed("manager") == [done.id, mine.id]
    assert listed("manager", "?state=failed") == [done.id]
    assert listed("manager", "?limit=1") == [done.id]
    assert listed("manager", f"?before={done.id}") == [mine.id]
    assert listed("colleague") == [theirs.id]
    assert listed("admin") == [hidden.id, done.id, preparing.id, theirs.id, mine.id]
    assert as_("manager").get(f"/api/v1/runs/{mine.id}").json()["project_id"] == cast.project.id
    for run in (theirs, preparing, hidden):
        refused = as_("manager").get(f"/api/v1/runs/{run.id}")
        assert refused.status_code == 404
        assert refused.json()["detail"] == f"There is no run {run.id}, or it is in a project that you do not manage."
    assert as_("admin").get(f"/api/v1/runs/{preparing.id}").json()["project_id"] is None
    assert as_("annotator").get("/api/v1/runs").status_code == 403
    manager = as_("manager")
    headers = manager.bearer(cast.manager, "label")
    manager.cookies.clear()
    assert manager.get("/api/v1/runs", headers=headers).status_code == 403
