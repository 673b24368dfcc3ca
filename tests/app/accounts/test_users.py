"""What administrators do with accounts."""

import re

import pytest
from sqlalchemy import select

from app.accounts import service
from app.models import AuditEvent, User
from app.web.errors import Conflict
from tests import factories


@pytest.mark.parametrize("who", ["manager", "annotator", "outsider"])
def test_only_administrators_manage_users(as_, cast, who):
    browser = as_(who)
    for page in ("/users", "/system"):
        assert browser.get(page).status_code == 403
    for verb in ("reset", "disable", "enable", "make-admin", "remove-admin"):
        assert browser.submit(f"/users/{cast.outsider.id}/{verb}").status_code == 403
    assert browser.get("/api/v1/users").status_code == 403


def test_a_reset_ends_the_password_and_shows_a_link_once(as_, cast, session):
    cast.annotator.password_hash = "$argon2id$something"
    answer = as_("admin").submit(f"/users/{cast.annotator.id}/reset")
    link = re.search(r"http://localhost(/sign-in/[\w-]{43})", answer.text)[1]
    assert cast.annotator.password_hash is None
    assert link not in as_("admin").get("/users").text
    browser = as_("anonymous")
    answer = browser.submit(link)
    assert answer.headers["location"] == "/account"
    assert "Set a password here" in browser.get("/account").text


def test_disable_and_enable(as_, cast, session):
    as_("admin").submit(f"/users/{cast.manager.id}/disable")
    assert cast.manager.disabled_at is not None
    assert as_("manager").get("/").status_code == 303
    as_("admin").submit(f"/users/{cast.manager.id}/enable")
    assert as_("manager").get("/").status_code == 200
    actions = session.scalars(select(AuditEvent.action).where(AuditEvent.subject_id == cast.manager.id)).all()
    assert actions == ["user.disabled", "user.enabled"]


def test_the_last_administrator_stays(as_, cast, session):
    browser = as_("admin")
    assert browser.submit(f"/users/{cast.admin.id}/remove-admin").status_code == 409
    assert browser.submit(f"/users/{cast.admin.id}/disable").status_code == 409
    browser.submit(f"/users/{cast.manager.id}/make-admin")
    assert browser.submit(f"/users/{cast.admin.id}/remove-admin").status_code == 303
    assert browser.get("/users").status_code == 403


def test_two_administrators_cannot_remove_each_other_at_once(database):
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    from app.db import task_session

    with task_session() as session:
        ids = [factories.user(session, is_admin=True).id for _ in range(2)]
    gate = Barrier(2)

    def remove(actor_id: int, user_id: int) -> bool:
        with task_session() as session:
            actor, user = session.get_one(User, actor_id), session.get_one(User, user_id)
            gate.wait(10)
            try:
                service.set_admin(session, actor, user, False)
            except Conflict:
                return False
            return True

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(remove, ids, reversed(ids)))
    assert sorted(done) == [False, True]


def test_search_and_pages(as_, session):
    for number in range(60):
        factories.user(session, name=f"Worker {number:02}", email=f"w{number}%@example.org")
    first = as_("admin").get("/users?q=worker")
    assert first.text.count("%@example.org") == 50
    older = re.search(r'href="(/users\?q=worker&amp;before=\d+)"', first.text)[1].replace("&amp;", "&")
    assert as_("admin").get(older).text.count("%@example.org") == 10
    assert "w7%@example.org" in as_("admin").get("/users?q=w7%25@").text
    assert "Nobody found" in as_("admin").get("/users?q=_7").text


def test_system_page_tells_the_state_of_each_part(as_):
    page = as_("admin").get("/system")
    assert page.status_code == 200
    assert re.search(r"Workers</h2><span class=\"badge bad\">down", page.text)
