"""Pages of a project: who sees them and what they say."""

import pytest


@pytest.mark.parametrize("page", ["people", "settings", "audit"])
def test_manager_pages(as_, cast, page):
    answer = as_("manager").get(f"/projects/{cast.project.id}/{page}")
    assert answer.status_code == 200


def test_list(as_, cast):
    assert as_("manager").get("/").status_code == 200
    assert as_("annotator").get("/").status_code == 303
    r = as_("manager").submit(f"/projects/{cast.project.id}/invitations", role="annotator")
    assert r.status_code == 201
    import re

    link = re.search(r"http://[^\"]*(/invitations/[^\"]+)", r.text)[1]
    r = as_("anonymous").get(link)
    assert r.status_code == 200
    r = as_("anonymous").submit(link, name="Ada", email="ada@example.org", password="a long password")
    assert r.status_code == 303, r.text
