"""Signing in by password and by link, sessions, and what the answers give away."""

import logging
import re
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from app.accounts import passwords, service
from app.models import AuditEvent, SignInLink, User, WebSession
from app.web.csrf import SESSION_COOKIE
from app.web.errors import NotFound
from app.web.signing import digest
from tests import factories

PASSWORD = "correct horse battery"


HASH = passwords.hash_password(PASSWORD)


@pytest.fixture
def ada(session):
    return factories.user(session, email="Ada@example.org", name="Ada", password_hash=HASH)


def test_password_sign_in_starts_a_session_known_by_its_digest_only(client, session, ada):
    answer = client.submit("/sign-in", email=" ada@EXAMPLE.org ", password=PASSWORD, next="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = client.cookies[SESSION_COOKIE]
    row = session.scalars(select(WebSession).where(WebSession.user_id == ada.id)).one()
    assert row.token_hash == digest(token) != token
    assert "Ada" in client.get("/account").text


def test_wrong_password_and_unknown_person_get_the_same_answer(client, ada):
    def tried(email: str) -> str:
        answer = client.submit("/sign-in", email=email, password="not the password", next="/")
        assert answer.status_code == 422
        page = re.sub(r'name="(csrf_token|page_key)" value="[^"]*"|X-CSRF-Token[^}]*', "", answer.text)
        return page.replace(email, "…")

    assert tried("ada@example.org") == tried("nobody@example.org")
    assert SESSION_COOKIE not in client.cookies


def test_an_unknown_person_takes_as_long_as_a_wrong_password(client, ada):
    def seconds(email: str) -> float:
        times = []
        for _ in range(5):
            start = perf_counter()
            assert client.submit("/sign-in", email=email, password="not the password", next="/").status_code == 422
            times.append(perf_counter() - start)
        return median(times)

    seconds("warm@example.org")
    known, unknown = seconds("ada@example.org"), seconds("nobody@example.org")
    assert unknown > known / 3, (known, unknown)


def test_disabled_people_are_shut_out_everywhere(client, session, ada):
    client.sign_in(ada)
    header = client.bearer(ada)
    assert client.get("/account").status_code == 200
    ada.disabled_at = datetime.now(UTC)
    session.flush()
    assert client.get("/account").status_code == 303
    client.cookies.clear()
    assert client.get("/api/v1/me", headers=header).status_code == 401
    assert client.submit("/sign-in", email=ada.email, password=PASSWORD, next="/").status_code == 422


def test_old_hashes_are_renewed_at_sign_in(client, session, ada):
    ada.password_hash = PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)
    session.flush()
    assert passwords.is_outdated(ada.password_hash)
    assert client.submit("/sign-in", email=ada.email, password=PASSWORD, next="/").status_code == 303
    assert not passwords.is_outdated(ada.password_hash)
    assert passwords.matches(ada.password_hash, PASSWORD)


def test_an_expired_session_is_none(client, session, ada):
    client.sign_in(ada)
    session.scalars(select(WebSession)).one().expires_at = datetime.now(UTC) - timedelta(seconds=1)
    session.flush()
    assert client.get("/account").headers["location"] == "/sign-in?next=/account"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "/a\r\nX: y", ""],
)
def test_sign_in_sends_nobody_elsewhere(client, ada, target):
    answer = client.submit("/sign-in", email=ada.email, password=PASSWORD, next=target)
    assert answer.headers["location"] == "/"
    assert "x" not in answer.headers


def test_a_link_signs_in_once_and_previews_do_not_use_it_up(client, session, ada):
    token = service.issue_link(session, ada)
    session.flush()
    assert session.scalars(select(SignInLink)).one().token_hash == digest(token)
    for _ in range(2):
        shown = client.get(f"/sign-in/{token}")
        assert shown.status_code == 200
        assert "Ada" not in shown.text
    used = client.submit(f"/sign-in/{token}")
    assert used.status_code == 303
    assert client.get("/account").status_code == 200
    client.cookies.clear()
    assert client.get(f"/sign-in/{token}").status_code == 404
    assert client.submit(f"/sign-in/{token}").status_code == 404


@pytest.mark.parametrize("state", ["expired", "disabled"])
def test_a_dead_link_signs_nobody_in(session, ada, state):
    token = service.issue_link(session, ada, timedelta(seconds=-1) if state == "expired" else timedelta(days=1))
    if state == "disabled":
        ada.disabled_at = datetime.now(UTC)
    session.flush()
    with pytest.raises(NotFound):
        service.use_link(session, token)


def test_the_first_start_makes_an_administrator_and_a_link_until_it_is_used(session):
    first = service.first_sign_in(session)
    again = service.first_sign_in(session)
    assert first is not None
    assert again not in (None, first)
    person = service.use_link(session, again)
    assert person.is_admin
    assert service.first_sign_in(session) is None


def test_sign_out_ends_the_session(client, session, ada):
    client.sign_in(ada)
    kept = dict(client.cookies)
    assert client.submit("/sign-out").headers["location"] == "/sign-in"
    client.cookies.update(kept)
    assert client.get("/account").status_code == 303
    assert session.scalars(select(WebSession)).all() == []


def test_changing_the_password_signs_out_everywhere_else(client, session, ada):
    factories.web_session(session, ada)
    client.sign_in(ada)
    wrong = client.submit("/account/password", current="not it at all", new="a new long password")
    assert wrong.status_code == 422
    assert "not your current password" in wrong.text
    weak = client.submit("/account/password", current=PASSWORD, new="short")
    assert "at least 10 characters" in weak.text
    assert client.submit("/account/password", current=PASSWORD, new="a new long password").status_code == 303
    assert len(session.scalars(select(WebSession)).all()) == 1
    assert client.get("/account").status_code == 200
    assert passwords.matches(ada.password_hash, "a new long password")


def test_sign_out_elsewhere_keeps_this_browser(client, session, ada):
    factories.web_session(session, ada)
    client.sign_in(ada)
    client.submit("/account/sign-out-elsewhere")
    assert len(session.scalars(select(WebSession)).all()) == 1
    page = client.get("/account").text
    assert "this browser" in page
    assert "Sign out everywhere else" not in page


def test_profile_errors_stand_beside_their_field_and_keep_what_was_typed(client, session, ada):
    factories.user(session, email="taken@example.org")
    client.sign_in(ada)
    answer = client.submit("/account", name="Ada L.", email="TAKEN@example.org")
    assert answer.status_code == 422
    assert 'value="Ada L."' in answer.text
    assert re.search(r'id="error-email">This e-mail cannot be used', answer.text)
    assert client.submit("/account", name="", email="no address").text.count('class="error"') == 2
    assert client.submit("/account", name="Ada L.", email="ada@new.example").status_code == 303
    session.refresh(ada)
    assert (ada.name, ada.email) == ("Ada L.", "ada@new.example")


def test_no_secret_reaches_the_log(client, session, ada, caplog):
    caplog.set_level(logging.DEBUG)
    token = service.issue_link(session, ada)
    client.get(f"/sign-in/{token}")
    client.submit(f"/sign-in/{token}")
    client.submit("/sign-in", email=ada.email, password="a secret that is wrong", next="/")
    client.get("/invitations/some-secret-token")
    session_token = client.cookies[SESSION_COOKIE]
    logged = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    for secret in (token, "a secret that is wrong", "some-secret-token", session_token):
        assert secret not in logged
    assert "/sign-in/…" in logged


def test_audit_tells_who_signed_in_and_how(client, session, ada):
    client.submit("/sign-in", email=ada.email, password=PASSWORD, next="/")
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "session.started")).one()
    assert (event.actor_id, event.details) == (ada.id, {"how": "password"})


def test_emails_are_one_account_however_capitalised(session, ada):
    with pytest.raises(Exception, match="This e-mail cannot be used"):
        service.create_user(session, "ADA@EXAMPLE.ORG", "Another")
    assert session.scalars(select(User)).all() == [ada]
