"""Accounts through the JSON API: what a session may do and no token."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts import passwords
from app.models import ApiToken, IdempotencyKey, User, WebSession
from tests import factories
from tests.app.conftest import Browser, Cast


def call(browser: Browser, method: str, path: str, **sent: Any) -> Any:
    headers = {"X-CSRF-Token": browser.csrf()} | sent.pop("headers", {})
    return browser.request(method, f"/api/v1{path}", headers=headers, **sent)


def test_a_token_is_made_listed_used_and_revoked(as_: Callable[[str], Browser], cast: Cast, session: Session) -> None:
    manager = as_("manager")
    made = call(manager, "POST", "/tokens", json={"name": "bench", "scopes": ["read", "label"], "days": 7})
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["name"], told["scopes"], told["last_used_at"]) == ("bench", ["read", "label"], None)
    [listed] = manager.get("/api/v1/tokens").json()["items"]
    assert "token" not in listed
    assert listed["id"] == told["id"]
    manager.cookies.clear()
    bearer = {"Authorization": f"Bearer {told['token']}"}
    assert manager.get("/api/v1/me", headers=bearer).json()["email"] == "manager@example.org"
    assert manager.get("/api/v1/tokens", headers=bearer).json()["items"][0]["last_used_at"]
    refused = manager.delete(f"/api/v1/tokens/{told['id']}", headers=bearer)
    assert refused.status_code == 403
    assert refused.json()["detail"] == (
        "An API token cannot do this. Sign in with a browser, or use `hone` on the machine that Hone runs on."
    )
    manager = as_("manager")
    assert call(manager, "DELETE", f"/tokens/{told['id']}").status_code == 204
    assert manager.get("/api/v1/tokens").json()["items"] == []
    manager.cookies.clear()
    assert manager.get("/api/v1/me", headers=bearer).status_code == 401


def test_a_token_that_may_not_be_made_is_refused_with_the_reason(as_: Callable[[str], Browser], cast: Cast) -> None:
    manager = as_("manager")
    for body, field in (
        ({"name": "x", "scopes": ["admin"]}, "scopes"),
        ({"name": "x", "scopes": ["read"], "days": None}, "expires"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "", "scopes": ["read"]}, "name"),
        ({"name": "x", "scopes": ["read"], "days": 366}, "days"),
    ):
        answer = call(manager, "POST", "/tokens", json=body)
        assert answer.status_code == 422
        assert field in answer.json()["errors"], answer.text
    other = call(as_("admin"), "POST", "/tokens", json={"name": "ops", "scopes": ["admin"], "days": None})
    assert (other.status_code, other.json()["expires_at"]) == (201, None)


def test_what_is_told_once_is_kept_nowhere(as_: Callable[[str], Browser], cast: Cast, session: Session) -> None:
    admin, key = as_("admin"), {"Idempotency-Key": "mine"}
    made = call(admin, "POST", "/tokens", json={"name": "x", "scopes": ["read"]}, headers=key).json()["token"]
    link = call(admin, "POST", f"/users/{cast.outsider.id}/sign-in-link", headers=key).json()["url"]
    base = f"/projects/{cast.project.id}"
    invited = call(admin, "POST", f"{base}/invitations", json={"role": "annotator"}, headers=key).json()["url"]
    call(admin, "POST", "/me/password", json={"new": "correct horse battery"}, headers=key)
    assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 0
    assert session.scalar(select(func.count()).where(ApiToken.token_hash == made)) == 0
    assert "/sign-in/" in link
    assert "/invitations/" in invited
    assert admin.get(invited).status_code == 200


def test_my_account_is_changed_and_my_other_sessions_end(
    as_: Callable[[str], Browser], cast: Cast, session: Session
) -> None:
    manager = as_("manager")
    assert call(manager, "PATCH", "/me", json={"name": "Grace"}).json()["name"] == "Grace"
    assert cast.manager.email == "manager@example.org"
    taken = call(manager, "PATCH", "/me", json={"email": "admin@example.org"})
    assert (taken.status_code, list(taken.json()["errors"])) == (422, ["email"])
    factories.web_session(session, cast.manager)
    assert call(manager, "POST", "/me/sign-out-elsewhere").json() == {"ended": 1}
    assert call(manager, "POST", "/me/password", json={"new": "short"}).status_code == 422
    assert call(manager, "POST", "/me/password", json={"new": "correct horse battery"}).status_code == 204
    assert passwords.matches(cast.manager.password_hash, "correct horse battery")
    wrong = call(manager, "POST", "/me/password", json={"new": "another long one", "current": "guess"})
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["current"])


def test_an_administrator_shuts_out_lets_in_and_makes_administrators(
    as_: Callable[[str], Browser], cast: Cast, session: Session
) -> None:
    admin, path = as_("admin"), f"/users/{cast.outsider.id}"
    factories.web_session(session, cast.outsider)
    assert call(admin, "PATCH", path, json={"disabled": True}).json()["disabled_at"]
    assert session.scalar(select(func.count()).where(WebSession.user_id == cast.outsider.id)) == 0
    assert call(admin, "POST", f"{path}/sign-in-link").status_code == 409  # of a disabled account
    assert call(admin, "PATCH", path, json={"disabled": False}).json()["disabled_at"] is None
    assert call(admin, "PATCH", path, json={"is_admin": True}).json()["is_admin"] is True
    assert call(admin, "PATCH", path, json={"is_admin": False}).json()["is_admin"] is False
    last = call(admin, "PATCH", f"/users/{cast.admin.id}", json={"is_admin": False})
    assert (last.status_code, "last administrator" in last.json()["detail"]) == (409, True)
    assert call(admin, "PATCH", "/users/999999", json={}).status_code == 404
    assert session.get_one(User, cast.admin.id).is_admin
