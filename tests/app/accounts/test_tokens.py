"""API tokens: what their scopes open, how long they last, and what ends them."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.accounts import passwords, service
from app.accounts.scopes import Scope, needed
from app.main import app
from app.models import ApiToken
from app.web.errors import Conflict
from app.web.guard import access_by_route
from app.web.middleware import PROBES
from app.web.signing import digest
from tests import factories
from tests.app.test_permissions import address

PASSWORD = "correct horse battery"
ROUTES = [(method, path, access) for (method, path), access in sorted(access_by_route(app).items())]
ALL = [scope.value for scope in Scope]


def made(client, **over):
    fields = {"token_name": "laptop", "scopes": ["read"], "expires": "30"} | over
    return client.submit("/account/tokens", **fields)


def test_a_token_is_shown_once_with_its_scopes_and_can_be_revoked(client, session, cast):
    client.sign_in(cast.annotator)
    text = re.search(r"hone_[\w-]{43}", made(client, scopes=["read", "label"]).text)[0]
    page = client.get("/account").text
    assert text not in page
    assert "read, label" in page
    assert re.search(r">in (29 d 23 h|30 d)<", page)
    token = session.scalars(select(ApiToken)).one()
    assert token.token_hash == digest(text)
    header = {"Authorization": f"Bearer {text}"}
    client.cookies.clear()
    assert client.get("/api/v1/me", headers=header).json()["email"] == "annotator@example.org"
    client.sign_in(cast.annotator)
    assert client.submit(f"/account/tokens/{token.id}/revoke").status_code == 303
    refused = client.get("/api/v1/me", headers=header)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"


def test_nobody_revokes_another_persons_token(client, session, cast):
    token = factories.api_token(session, cast.manager)
    client.sign_in(cast.annotator)
    assert client.submit(f"/account/tokens/{token.id}/revoke").status_code == 404
    assert token.revoked_at is None


@pytest.mark.parametrize("scope", ALL)
def test_each_scope_opens_what_the_table_says_and_nothing_else(client, session, cast, scope):
    """By somebody who may do everything, so that only the scope is in the way."""
    factories.member(session, cast.project, cast.admin, "manager")
    header = client.bearer(cast.admin, scope)
    for method, path, access in ROUTES:
        if access == {"public"} and method != "GET":  # such as sign-in: no token is looked at
            continue
        opened = scope in needed(path, access, method)
        if path in PROBES:  # a word for everybody, whatever they hold
            continue
        if opened and path.endswith("/events"):  # a stream, which would not end
            continue
        answer = client.request(method, address(path, cast.project.id), headers=header)
        assert (answer.status_code == 403) is not opened, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500


def test_the_table_in_words():
    """What is too grave to leave to the table that the test above reads."""
    by_token = {(method, path): needed(path, access, method) for method, path, access in ROUTES}
    changes = {route for route, scopes in by_token.items() if scopes and route[0] not in ("GET", "HEAD")}
    assert all(path.startswith(("/api/v1/projects", "/api/v1/endpoints", "/api/v1/models")) for _, path in changes)
    shut = [route for route in by_token if route[1].startswith(("/account", "/users", "/system", "/sign-out"))]
    assert {by_token[route] for route in shut} == {frozenset()}
    assert not [path for _, path in changes if "invitations" in path and not path.endswith("{invitation_id}")]
    assert not [path for _, path in changes if "token" in path]
    assert by_token["GET", "/api/v1/projects/{project_id}/exports/file"] == {Scope.READ}
    assert by_token["POST", "/api/v1/projects/{project_id}/label"] == {Scope.LABEL}
    assert by_token["POST", "/api/v1/projects"] == {Scope.MANAGE}
    assert by_token["GET", "/api/v1/users"] == {Scope.ADMIN}


def test_a_token_changes_no_account_and_makes_no_links(client, session, cast):
    cast.manager.password_hash = passwords.hash_password(PASSWORD)
    factories.invitation(session, cast.other, cast.colleague, token_hash=digest("an invitation"))
    header = client.bearer(cast.manager)
    base = f"/projects/{cast.project.id}"
    for url, fields in (
        ("/account", {"name": "Mallory", "email": "mallory@example.org"}),
        ("/account/password", {"current": PASSWORD, "new": "another good password"}),
        ("/account/tokens", {"token_name": "more", "scopes": "read", "expires": "365"}),
        ("/account/sign-out-elsewhere", {}),
        ("/sign-out", {}),
        ("/invitations/an invitation", {}),
        (f"{base}/invitations", {"role": "manager"}),
        (f"/users/{cast.manager.id}/reset", {}),
    ):
        answer = client.post(url, data=fields, headers=header)
        assert answer.status_code == 403, f"{url}: {answer.status_code}"
        assert "Sign in with a browser" in answer.text
    assert client.get("/account", headers=header).status_code == 403
    assert client.post(f"/api/v1{base}/invitations", json={"role": "manager"}, headers=header).status_code == 403
    assert client.post("/api/v1/tokens", json={"name": "more", "scopes": ["read"]}, headers=header).status_code == 403
    assert "hone_" not in client.get("/api/v1/tokens", headers=header).text
    session.refresh(cast.manager)
    assert cast.manager.email == "manager@example.org"
    assert passwords.matches(cast.manager.password_hash, PASSWORD)
    assert len(session.scalars(select(ApiToken)).all()) == 1


def test_without_the_scope_an_administrators_token_is_an_ordinary_persons(client, session, cast):
    url = f"/api/v1/projects/{cast.project.id}"
    everything, ordinary = client.bearer(cast.admin), client.bearer(cast.admin, "read", "label", "manage")
    assert client.get(url, headers=everything).status_code == 200
    assert client.get(url, headers=ordinary).status_code == 404
    assert client.get("/api/v1/projects", headers=ordinary).json()["items"] == []
    assert client.post("/api/v1/projects", json={"name": "Mine"}, headers=ordinary).status_code == 403
    assert client.get("/api/v1/me", headers=ordinary).json()["is_admin"] is False
    client.sign_in(cast.admin)
    assert client.get("/users").status_code == 200  # the person still is one
    session.refresh(cast.admin)
    assert cast.admin.is_admin


@pytest.mark.parametrize(
    ("who", "over", "says"),
    [
        ("annotator", {"scopes": ["read", "admin"]}, "Only administrators may give a token this scope."),
        ("annotator", {"expires": "never"}, "Only administrators may create a token that does not expire."),
        ("admin", {"scopes": []}, "Choose at least one."),
        ("admin", {"scopes": ["root"]}, "This must be"),
        ("admin", {"expires": "100000"}, "This must be"),
        ("admin", {"expires": ""}, "This must be"),
    ],
)
def test_what_a_token_may_not_be_is_told_beside_the_field(as_, session, who, over, says):
    answer = made(as_(who), **over)
    assert answer.status_code == 422
    assert says in answer.text
    assert 'value="laptop"' in answer.text
    assert session.scalars(select(ApiToken)).all() == []


def test_a_token_of_an_administrator_may_last(as_, session):
    assert made(as_("admin"), scopes=["admin"], expires="never").status_code == 201
    assert session.scalars(select(ApiToken)).one().expires_at is None


def test_an_expired_token_says_since_when(client, session, cast):
    token = factories.api_token(session, cast.annotator, token_hash=digest("old"))
    header = {"Authorization": "bearer old"}
    assert client.get("/api/v1/me", headers=header).status_code == 200
    token.expires_at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    session.flush()
    refused = client.get("/api/v1/me", headers=header)
    assert refused.status_code == 401
    assert "expired on 31 Jan 2026" in refused.json()["detail"]
    client.sign_in(cast.annotator)
    assert "expired</span>" in client.get("/account").text


def test_expired_tokens_do_not_count_among_the_many(session, cast):
    for _ in range(service.MOST_TOKENS):
        last = factories.api_token(session, cast.annotator)
    with pytest.raises(Conflict, match="20 tokens already"):
        service.create_token(session, cast.annotator, "one more", [Scope.READ])
    last.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    service.create_token(session, cast.annotator, "one more", [Scope.READ])


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer OPENSESAME"},
        {"Authorization": "Bearer opensesam"},
        {"Authorization": "Bearer opensesame."},
        {"Authorization": "Bearer opensesame, Bearer opensesame"},
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": "Basic b3BlbnNlc2FtZTo="},
        {"Authorization": "opensesame"},
        {"Authorization": "Bearer "},
        {},
    ],
)
def test_a_token_elsewhere_or_spelled_otherwise_opens_nothing(client, session, cast, headers):
    factories.api_token(session, cast.annotator, token_hash=digest("opensesame"))
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    for url in ("/api/v1/me?token=opensesame", "/api/v1/me?access_token=opensesame"):
        assert client.get(url, headers=raw).status_code == 422
    assert client.get("/api/v1/me", headers={"Authorization": "BEARER   opensesame "}).status_code == 200


@pytest.mark.parametrize("end", ["password", "reset", "disabled", "admin removed"])
def test_what_ends_an_account_ends_its_tokens_and_links(client, session, cast, end):
    person = cast.colleague
    person.password_hash = passwords.hash_password(PASSWORD)
    cast.admin.is_admin = True
    person.is_admin = end == "admin removed"
    session.flush()
    header, link = client.bearer(person), service.issue_link(session, person)
    assert client.get("/api/v1/me", headers=header).status_code == 200
    match end:
        case "password":
            client.sign_in(person)
            fields = {"current": PASSWORD, "new": "another good password"}
            assert client.submit("/account/password", **fields).status_code == 303
            assert client.get("/account").status_code == 200
        case "reset":
            service.reset_sign_in(session, cast.admin, person)
        case "disabled":
            service.set_disabled(session, cast.admin, person, True)
            service.set_disabled(session, cast.admin, person, False)
        case "admin removed":
            service.set_admin(session, cast.admin, person, False)
    session.flush()
    assert client.get("/api/v1/me", headers=header).status_code == 401
    if end != "admin removed":
        client.cookies.clear()
        assert client.get(f"/sign-in/{link}").status_code == 404
        assert client.submit(f"/sign-in/{link}").status_code == 404


def test_only_the_newest_of_several_links_signs_in(client, session, cast):
    first, second = (service.reset_sign_in(session, cast.admin, cast.annotator) for _ in range(2))
    session.flush()
    assert client.submit(f"/sign-in/{first}").status_code == 404
    assert client.submit(f"/sign-in/{second}").status_code == 303
