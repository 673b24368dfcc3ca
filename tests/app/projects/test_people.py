"""Members and invitations, also when two people are at it at once."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from app.accounts import passwords
from app.models import Invitation, Member, Project, Role, User
from app.projects import people
from app.web.errors import Conflict, NotFound
from app.web.signing import digest
from tests import factories

PASSWORD = "correct horse battery"


@pytest.fixture
def link(as_, cast):
    answer = as_("manager").submit(f"/projects/{cast.project.id}/invitations", role="annotator", note="for Grace")
    assert answer.status_code == 201
    return re.search(r"http://localhost(/invitations/[\w-]{43})", answer.text)[1]


def join(browser, link, email="grace@example.org", password=PASSWORD):
    return browser.submit(link, name="Grace", email=email, password=password)


def test_a_new_person_joins_by_link_once(as_, cast, session, link):
    stored = session.scalars(select(Invitation)).one()
    assert stored.token_hash == digest(link.rsplit("/", 1)[1])
    assert link not in as_("manager").get(f"/projects/{cast.project.id}/people").text
    browser = as_("anonymous")
    for _ in range(2):
        assert "Join Ours" in browser.get(link).text
    answer = join(browser, link)
    assert answer.headers["location"] == f"/projects/{cast.project.id}"
    grace = session.scalars(select(User).where(User.email == "grace@example.org")).one()
    assert session.get_one(Member, (cast.project.id, grace.id)).role is Role.ANNOTATOR
    assert browser.get(f"/projects/{cast.project.id}/guidelines").status_code == 200
    second = join(as_("anonymous"), link, "other@example.org")
    assert second.status_code == 404
    assert "used before" in second.text
    assert session.scalars(select(User).where(User.email == "other@example.org")).all() == []


def test_a_signed_in_person_joins_as_themselves(as_, cast, session, link):
    browser = as_("outsider")
    assert "You are signed in as <strong>Outsider" in browser.get(link).text
    assert browser.submit(link).status_code == 303
    assert browser.get(f"/projects/{cast.project.id}/guidelines").status_code == 200


def test_a_person_with_an_account_may_join_with_its_password(as_, cast, session, link):
    cast.outsider.password_hash = passwords.hash_password(PASSWORD)
    wrong = join(as_("anonymous"), link, cast.outsider.email, "some other password")
    assert wrong.status_code == 422
    assert "cannot be used here" in wrong.text
    assert join(as_("anonymous"), link, cast.outsider.email.upper()).status_code == 303
    assert session.get_one(Member, (cast.project.id, cast.outsider.id))


def test_a_bad_form_leaves_the_invitation_open(as_, session, link):
    answer = join(as_("anonymous"), link, password="short")
    assert answer.status_code == 422
    assert 'value="Grace"' in answer.text
    assert "short" not in re.sub(r"[Ss]hortcuts?", "", answer.text)
    assert join(as_("anonymous"), link).status_code == 303


def test_who_is_in_already_keeps_the_invitation_unused(as_, cast, session, link):
    for who in ("annotator", "manager"):
        assert as_(who).submit(link).status_code == 303
    assert session.scalars(select(Invitation)).one().used_at is None
    assert session.get_one(Member, (cast.project.id, cast.manager.id)).role is Role.MANAGER


def test_an_annotator_invited_as_manager_becomes_one(as_, cast, session):
    _, token = people.invite(session, cast.project, cast.manager, Role.MANAGER)
    as_("annotator").submit(f"/invitations/{token}")
    session.expire_all()
    assert session.get_one(Member, (cast.project.id, cast.annotator.id)).role is Role.MANAGER


@pytest.mark.parametrize("end", ["withdrawn", "expired", "archived"])
def test_dead_invitations(as_, cast, session, link, end):
    invitation = session.scalars(select(Invitation)).one()
    if end == "withdrawn":
        url = f"/projects/{cast.project.id}/invitations/{invitation.id}/withdraw"
        assert as_("manager").submit(url).status_code == 303
        assert as_("manager").submit(url).status_code == 404
    elif end == "expired":
        invitation.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    else:
        cast.project.archived_at = datetime.now(UTC)
    session.flush()
    assert as_("outsider").get(link).status_code == 404
    assert as_("outsider").submit(link).status_code == 404


def test_a_manager_touches_no_other_projects_invitations_or_members(as_, cast, session):
    invitation, _ = people.invite(session, cast.other, cast.colleague, Role.ANNOTATOR)
    session.flush()
    base = f"/projects/{cast.project.id}"
    assert as_("manager").submit(f"{base}/invitations/{invitation.id}/withdraw").status_code == 404
    for verb in ("pause", "resume", "remove"):
        assert as_("manager").submit(f"{base}/people/{cast.colleague.id}/{verb}").status_code == 404
    assert as_("manager").submit(f"{base}/people/{cast.colleague.id}/role", role="annotator").status_code == 404


def test_pause_resume_and_roles(as_, cast, session):
    base = f"/projects/{cast.project.id}/people/{cast.annotator.id}"
    member = session.get_one(Member, (cast.project.id, cast.annotator.id))
    as_("manager").submit(f"{base}/pause", reason="on holiday")
    assert member.pause_reason == "on holiday"
    assert "on holiday" in as_("manager").get(f"/projects/{cast.project.id}/people").text
    as_("manager").submit(f"{base}/resume")
    assert (member.paused_at, member.pause_reason) == (None, None)
    as_("manager").submit(f"{base}/role", role="manager")
    assert as_("annotator").get(f"/projects/{cast.project.id}/people").status_code == 200
    assert as_("manager").submit(f"{base}/role", role="owner").status_code == 422


def test_the_last_manager_stays(as_, cast):
    base = f"/projects/{cast.project.id}/people/{cast.manager.id}"
    assert as_("manager").submit(f"{base}/remove").status_code == 409
    assert as_("manager").submit(f"{base}/role", role="annotator").status_code == 409
    as_("manager").submit(f"/projects/{cast.project.id}/people/{cast.annotator.id}/role", role="manager")
    left = as_("manager").submit(f"{base}/remove")
    assert left.headers["location"] == "/"


def test_somebody_removed_can_be_invited_again(as_, cast, session):
    as_("manager").submit(f"/projects/{cast.project.id}/people/{cast.annotator.id}/remove")
    _, token = people.invite(session, cast.project, cast.manager, Role.ANNOTATOR)
    assert as_("annotator").submit(f"/invitations/{token}").status_code == 303
    assert as_("annotator").get(f"/projects/{cast.project.id}/guidelines").status_code == 200


@pytest.mark.parametrize("end", ["removed", "demoted", "disabled"])
def test_an_invitation_dies_with_its_makers_right_to_invite(as_, cast, session, end):
    factories.member(session, cast.project, cast.colleague, Role.MANAGER)
    factories.invitation(session, cast.project, cast.manager, role=Role.MANAGER, token_hash=digest("back door"))
    assert as_("manager").get("/invitations/back door").status_code == 200
    base = f"/projects/{cast.project.id}/people/{cast.manager.id}"
    match end:
        case "removed":
            as_("colleague").submit(f"{base}/remove")
        case "demoted":
            as_("colleague").submit(f"{base}/role", role="annotator")
        case "disabled":
            as_("admin").submit(f"/users/{cast.manager.id}/disable")
    for who in ("manager", "outsider"):
        assert as_(who).submit("/invitations/back door").status_code in (401, 404)
    assert "back door" not in as_("colleague").get(f"/projects/{cast.project.id}/people").text


def test_invitations_by_the_api(client, cast, session):
    header, url = client.bearer(cast.manager), f"/api/v1/projects/{cast.project.id}/invitations"
    factories.invitation(session, cast.project, cast.manager, note="Mary")
    listed = client.get(url, headers=header).json()["items"]
    assert [(one["note"], "link" in one) for one in listed] == [("Mary", False)]
    assert client.delete(f"{url}/{listed[0]['id']}", headers=header).status_code == 204
    members = f"/api/v1/projects/{cast.project.id}/members"
    assert [one["name"] for one in client.get(members, headers=header).json()["items"]] == ["Annotator", "Manager"]
    paused = client.patch(f"{members}/{cast.annotator.id}", json={"paused": True, "reason": "r"}, headers=header)
    assert paused.json()["pause_reason"] == "r"
    assert client.delete(f"{members}/{cast.annotator.id}", headers=header).status_code == 204
    assert client.delete(f"{members}/{cast.manager.id}", headers=header).status_code == 409


def at_once(*calls):
    gate = Barrier(len(calls))

    def run(call):
        gate.wait(10)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result() for future in [threads.submit(run, call) for call in calls]]


def test_of_two_who_use_one_link_at_once_one_joins(database):
    from app.db import task_session

    with task_session() as session:
        manager = factories.user(session)
        project = factories.project(session)
        factories.member(session, project, manager, Role.MANAGER)
        users = [factories.user(session).id for _ in range(4)]
        _, token = people.invite(session, project, manager, Role.ANNOTATOR)
        project_id = project.id

    def accept(user_id: int) -> bool:
        try:
            with task_session() as session:
                people.accept(session, session.get_one(User, user_id), token)
        except NotFound:
            return False
        return True

    joined = at_once(*[lambda user_id=user_id: accept(user_id) for user_id in users])
    assert sum(joined) == 1
    with task_session() as session:
        members = session.scalars(select(Member.user_id).where(Member.project_id == project_id)).all()
        winner = users[joined.index(True)]
        assert set(members) == {manager.id, winner}
        assert session.scalars(select(Invitation.used_by_id)).one() == winner


def test_two_managers_cannot_remove_each_other_at_once(database):
    from app.db import task_session

    with task_session() as session:
        project = factories.project(session)
        ids = [factories.user(session).id for _ in range(2)]
        for user_id in ids:
            factories.member(session, project, session.get_one(User, user_id), Role.MANAGER)
        project_id = project.id

    def remove(actor_id: int, user_id: int) -> bool:
        try:
            with task_session() as session:
                project = session.get_one(Project, project_id)
                people.remove(session, project, session.get_one(User, actor_id), user_id)
        except Conflict:
            return False
        return True

    done = at_once(lambda: remove(ids[0], ids[1]), lambda: remove(ids[1], ids[0]))
    assert sorted(done) == [False, True]
