"""The browsers in which people are signed in: listed, and ended by whose they are or an administrator."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.accounts import devices, passwords, sessions
from app.models import AuditEvent, WebSession
from tests import factories

PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
BASE = "/api/v1/me/sessions"


def sessions_of(session, user):
    return set(session.scalars(select(WebSession.id).where(WebSession.user_id == user.id)))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
         "Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
         "Safari/537.36", "Chrome on Windows"),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 "
         "Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "CriOS/140.0.7339.101 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 "
         "Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
         "Safari/537.36", "Chrome on ChromeOS"),
        ("curl/8.14.1", "curl"),
        ("python-httpx/0.28.1", "Python"),
        ("", "Unknown device"),
        ("<script>alert(1)</script>\x00" + "x" * 60_000 + FIREFOX, "Unknown device"),
    ],
)  # fmt: skip
def test_a_device_is_told_in_words(told, words):
    assert devices.named(told) == words


def test_signing_in_keeps_the_device_in_words_and_nothing_else_of_it(client, session, cast):
    cast.annotator.password_hash = passwords.hash_password(PASSWORD)
    client.headers["user-agent"] = FIREFOX
    assert client.submit("/sign-in", email=cast.annotator.email, password=PASSWORD).status_code == 303
    row = session.scalars(select(WebSession).where(WebSession.user_id == cast.annotator.id)).one()
    assert row.device == "Firefox on Linux"
    assert datetime.now(UTC) - row.last_used_at < timedelta(minutes=1)
    page = client.get("/account").text
    assert re.search(r"Firefox on Linux\s*<span class=\"badge info\">this browser</span>", page)
    assert f"/account/sessions/{row.id}/end" not in page


def test_last_use_is_kept_to_five_minutes(client, session, cast):
    client.sign_in(cast.annotator)
    row = session.scalars(select(WebSession).where(WebSession.user_id == cast.annotator.id)).one()
    client.get("/account")
    session.refresh(row)
    first = row.last_used_at
    assert datetime.now(UTC) - first < timedelta(minutes=1)
    old = row.last_used_at = first - timedelta(minutes=6)
    session.flush()
    client.get("/account")  # this process has just noted it
    session.refresh(row)
    assert row.last_used_at == old
    sessions._noted.clear()
    client.get("/account")
    session.refresh(row)
    assert row.last_used_at > old


def test_one_session_is_ended_and_the_button_pressed_twice_says_so(client, session, cast):
    client.sign_in(cast.annotator)
    [mine] = sessions_of(session, cast.annotator)
    other = factories.web_session(session, cast.annotator, device="Safari on iPhone")
    expired = factories.web_session(session, cast.annotator, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    page = client.get("/account").text
    assert "Safari on iPhone" in page
    assert f"/account/sessions/{expired.id}/end" not in page
    pressed = [client.submit(f"/account/sessions/{other.id}/end") for _ in range(2)]
    assert [each.status_code for each in pressed] == [303, 303]
    assert "It may have ended already." in client.get("/account").text
    assert mine in sessions_of(session, cast.annotator)
    assert other.id not in sessions_of(session, cast.annotator)
    events = session.scalars(select(AuditEvent.action).where(AuditEvent.actor_id == cast.annotator.id)).all()
    assert events.count("session.ended") == 1


@pytest.mark.parametrize("who", ["admin", "manager", "colleague", "outsider"])
def test_nobody_ends_or_sees_a_session_of_somebody_else(as_, session, cast, who):
    theirs = factories.web_session(session, cast.annotator, device="Theirs")
    browser = as_(who)
    assert browser.submit(f"/account/sessions/{theirs.id}/end").status_code == 303
    header = {"X-CSRF-Token": browser.csrf()}
    assert browser.delete(f"{BASE}/{theirs.id}", headers=header).status_code == 404
    assert "Theirs" not in browser.get("/account").text
    assert [each["present"] for each in browser.get(BASE).json()["items"]] == [True]
    if who != "admin":
        assert browser.submit(f"/users/{cast.annotator.id}/sign-out").status_code == 403
        assert browser.post(f"/api/v1/users/{cast.annotator.id}/sign-out", headers=header).status_code == 403
    assert theirs.id in sessions_of(session, cast.annotator)


def test_a_session_ends_by_a_form_of_ones_own_only(client, session, cast):
    client.sign_in(cast.annotator)
    other = factories.web_session(session, cast.annotator)
    assert client.post(f"/account/sessions/{other.id}/end").status_code == 403  # without the token of CSRF
    assert client.delete(f"{BASE}/{other.id}").status_code == 403
    bearer = client.bearer(cast.annotator)
    client.cookies.clear()
    assert client.delete(f"{BASE}/{other.id}", headers=bearer).status_code == 403  # no token changes an account
    assert [each["id"] for each in client.get(BASE, headers=bearer).json()["items"] if each["present"]] == []
    assert other.id in sessions_of(session, cast.annotator)


def test_by_the_api_sessions_are_listed_latest_first_and_ended(client, session, cast):
    old = factories.web_session(session, cast.annotator, last_used_at=datetime.now(UTC) - timedelta(days=2))
    client.sign_in(cast.annotator)
    told = client.get(BASE).json()["items"]
    assert [each["present"] for each in told] == [True, False]
    assert set(told[0]) == {"id", "device", "created_at", "last_used_at", "expires_at", "present"}
    header = {"X-CSRF-Token": client.csrf()}
    assert client.delete(f"{BASE}/{old.id}", headers=header).status_code == 204
    again = client.delete(f"{BASE}/{old.id}", headers=header)
    assert (again.status_code, "ended already" in again.json()["detail"]) == (404, True)
    assert client.delete(f"{BASE}/{10**30}", headers=header).status_code in (404, 422)
    assert client.delete(f"{BASE}/{told[0]['id']}", headers=header).status_code == 204  # the present one, too
    assert client.get("/account").status_code == 303


def test_an_administrator_signs_somebody_out_everywhere_and_tokens_stay(as_, client, session, cast):
    admin = as_("admin")
    for _ in range(2):
        factories.web_session(session, cast.annotator)
    bearer = client.bearer(cast.annotator)
    answer = admin.submit(f"/users/{cast.annotator.id}/sign-out")
    assert answer.headers["location"] == "/users"
    assert "Annotator is signed out in 2 browsers" in admin.get("/users").text
    assert sessions_of(session, cast.annotator) == set()
    header = {"X-CSRF-Token": admin.csrf()}
    assert admin.post(f"/api/v1/users/{cast.annotator.id}/sign-out", headers=header).json() == {"ended": 0}
    assert admin.post("/api/v1/users/999999/sign-out", headers=header).status_code == 404
    assert admin.submit("/users/999999/sign-out").status_code == 404
    client.cookies.clear()
    assert client.get("/api/v1/me", headers=bearer).status_code == 200
