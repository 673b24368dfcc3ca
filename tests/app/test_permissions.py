"""The cast of people against every route of the application: who is refused, and how."""

import re

import pytest
from fastapi import FastAPI

from app.main import app
from app.web.guard import access_by_route

ROUTES = sorted(access_by_route(app).items())
BY_RANK = ("admin", "manager", "annotator", "signed in", "public")


def strictest(access: set[str]) -> str:
    return next(kind for kind in BY_RANK if kind in access)


def address(path: str, project_id: int) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: str(project_id) if found[1] == "project_id" else "1", path)


def refusal(path: str, method: str) -> set[int]:
    """How somebody without a session is refused: pages lead to sign-in."""
    return {303} if method == "GET" and not path.startswith("/api/") else {401}


@pytest.mark.parametrize(("route", "access"), ROUTES, ids=[f"{m} {p}" for (m, p), _ in ROUTES])
def test_nobody_gets_further_than_declared(as_, cast, route, access):
    method, path = route
    wanted = strictest(access)
    expected: dict[str, set[int] | frozenset[int]] = {}
    if wanted != "public":
        expected["anonymous"] = refusal(path, method)
    if wanted == "admin":
        expected |= dict.fromkeys(("manager", "annotator", "outsider"), frozenset({403}))
    if wanted in ("manager", "annotator"):
        expected |= dict.fromkeys(("outsider", "colleague"), frozenset({404}))
    if wanted == "manager":
        expected["annotator"] = {403}
    for who, statuses in expected.items():
        browser = as_(who)
        headers = {"X-CSRF-Token": browser.csrf(), "Accept": "text/html"}
        answer = browser.request(method, address(path, cast.project.id), headers=headers)
        assert answer.status_code in statuses, f"{who}: {answer.status_code}\n{answer.text[:500]}"
        if answer.status_code == 303:
            assert answer.headers["location"].startswith("/sign-in?next=/")


def test_the_list_of_routes_is_not_empty():
    assert isinstance(app, FastAPI)
    assert {strictest(access) for _, access in ROUTES} == set(BY_RANK)


def test_an_outsider_cannot_tell_a_project_from_none(as_, cast):
    def page(project_id: int) -> str:
        answer = as_("outsider").get(f"/projects/{project_id}/settings")
        assert answer.status_code == 404
        return re.sub(r"X-CSRF-Token[^}]*|<code>\w+</code>|value=\"[^\"]+\"", "", answer.text)

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
        if method == "GET" or path.endswith("/unarchive"):
            continue
        browser = as_("manager")
        answer = browser.request(method, address(path, cast.project.id), headers={"X-CSRF-Token": browser.csrf()})
        assert answer.status_code == 409, f"{method} {path}"
    assert as_("annotator").submit(f"{base}/settings/unarchive").status_code == 403
    assert as_("manager").submit(f"{base}/settings/unarchive").status_code == 303
    assert as_("manager").submit(f"{base}/settings/name", name="Ours again").status_code == 303
