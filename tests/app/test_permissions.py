"""What the table of permissions does not say: outsiders, people who were removed, projects that are archived."""

import re

from fastapi import FastAPI

from app.main import app
from app.web.guard import access_by_route

ROUTES = sorted(access_by_route(app).items())
BY_RANK = ("admin", "manager", "annotator", "signed in", "public")


def strictest(access: set[str]) -> str:
    return next(kind for kind in BY_RANK if kind in access)


def address(path: str, project_id: int) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: str(project_id) if found[1] == "project_id" else "1", path)


def test_the_list_of_routes_is_not_empty():
    assert isinstance(app, FastAPI)
    assert {strictest(access) for _, access in ROUTES} == set(BY_RANK)


def test_an_outsider_cannot_tell_a_project_from_none(as_, cast):
    def page(project_id: int) -> str:
        answer = as_("outsider").get(f"/projects/{project_id}/settings")
        assert answer.status_code == 404
        text = answer.text.replace(f"no project {project_id},", "no project N,")
        return re.sub(r"X-CSRF-Token[^}]*|<code>\w+</code>|value=\"[^\"]+\"", "", text)

    assert page(cast.project.id) == page(10**9)


def test_a_removed_member_is_an_outsider(as_, cast, session):
    base = f"/projects/{cast.project.id}"
    assert as_("annotator").get(f"{base}/guidelines").status_code == 200
    as_("manager").submit(f"{base}/people/{cast.annotator.id}/remove")
    assert as_("annotator").get(f"{base}/guidelines").status_code == 404


def test_an_archived_project_can_be_read_and_not_changed(as_, cast):
    base = f"/projects/{cast.project.id}"
    assert as_("manager").submit(f"{base}/settings/archive").status_code == 303
    assert as_("annotator").get(f"{base}/guidelines").status_code == 200
    for method, path in [route for route, access in ROUTES if access & {"annotator", "manager"}]:
        # A clone is another project, and only an archived one can be deleted.
        if method == "GET" or path.endswith(("/unarchive", "/clone", "/projects/{project_id}/delete")):
            continue
        browser = as_("manager")
        answer = browser.request(method, address(path, cast.project.id), headers={"X-CSRF-Token": browser.csrf()})
        assert answer.status_code == 409, f"{method} {path}"
    assert as_("annotator").submit(f"{base}/settings/unarchive").status_code == 403
    assert as_("manager").submit(f"{base}/settings/unarchive").status_code == 303
    assert as_("manager").submit(f"{base}/settings/name", name="Ours again").status_code == 303
