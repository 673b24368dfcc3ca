"""Requests that another site makes a browser send change nothing."""

import pytest
from sqlalchemy import func, select

from app.models import ApiToken
from app.web.csrf import SESSION_COOKIE, VISITOR_COOKIE

FORM = {"token_name": "x", "scopes": "read", "expires": "30"}


def tokens(session):
    return session.scalar(select(func.count()).select_from(ApiToken))


@pytest.fixture
def browser(as_):
    return as_("annotator")


def test_the_token_is_needed(browser, session):
    assert browser.post("/account/tokens", data=FORM).status_code == 403
    assert browser.post("/account/tokens", data=FORM | {"csrf_token": "guess"}).status_code == 403
    assert browser.post("/account/tokens", data=FORM | {"csrf_token": "päss"}).status_code == 403
    assert tokens(session) == 0
    assert browser.post("/account/tokens", data=FORM | {"csrf_token": browser.csrf()}).status_code == 201
    headers = {"X-CSRF-Token": browser.csrf()}
    assert browser.post("/account/tokens", data=FORM, headers=headers).status_code == 201
    multipart = {name: (None, value) for name, value in (FORM | {"csrf_token": browser.csrf()}).items()}
    assert browser.post("/account/tokens", files=multipart).status_code == 201


def test_the_token_in_the_page_is_the_one_that_works(browser):
    import re

    page = browser.get("/account").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    assert f'"X-CSRF-Token": "{token}"' in page
    assert browser.post("/account/tokens", data=FORM | {"csrf_token": token}).status_code == 201


def test_a_token_is_bound_to_its_session(as_, session):
    theirs = as_("manager").csrf()
    browser = as_("annotator")
    answer = browser.post("/account/tokens", data=FORM | {"csrf_token": theirs})
    assert answer.status_code == 403
    assert tokens(session) == 0
    fresh = answer.headers["x-csrf-fresh"]
    assert browser.post("/account/tokens", data=FORM | {"csrf_token": fresh}).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "null"},
    ],
)
def test_other_sites_are_refused_even_with_a_token(browser, session, headers):
    answer = browser.post("/account/tokens", data=FORM | {"csrf_token": browser.csrf()}, headers=headers)
    assert answer.status_code == 403
    assert "x-csrf-fresh" not in answer.headers
    assert tokens(session) == 0


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}])
def test_our_own_pages_are_not(browser, headers):
    answer = browser.post("/account/tokens", data=FORM | {"csrf_token": browser.csrf()}, headers=headers)
    assert answer.status_code == 201


def test_anonymous_forms_carry_a_token_too(client):
    page = client.get("/sign-in")
    assert VISITOR_COOKIE in page.cookies
    assert client.post("/sign-in", data={"email": "a", "password": "b"}).status_code == 403
    assert "HttpOnly" in page.headers["set-cookie"]
    assert client.submit("/sign-in", email="a", password="b").status_code == 422


def test_json_with_a_cookie_needs_the_token_and_with_a_bearer_does_not(as_, cast):
    browser, url, name = as_("manager"), f"/api/v1/projects/{cast.project.id}", cast.project.name
    assert browser.patch(url, json={"name": "x"}).status_code == 403
    assert browser.patch(url, content=b'{"name": "x"}').status_code == 403
    assert cast.project.name == name
    assert browser.patch(url, json={"name": "x"}, headers={"X-CSRF-Token": browser.csrf()}).status_code == 200
    browser.cookies.clear()
    assert browser.patch(url, json={"name": "y"}, headers=browser.bearer(cast.manager)).status_code == 200


def test_a_call_without_a_token_is_told_of_tokens_and_not_of_pages(client, cast):
    answer = client.post(f"/api/v1/projects/{cast.project.id}/archive")
    assert answer.status_code == 401
    assert "API token" in answer.json()["detail"]
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_bearer_header_does_not_lend_the_cookie_its_exemption(as_, cast):
    browser, name = as_("manager"), cast.project.name
    assert browser.cookies.get(SESSION_COOKIE)
    url, made_up = f"/api/v1/projects/{cast.project.id}", {"Authorization": "Bearer made-up"}
    assert browser.patch(url, json={"name": "x"}, headers=made_up).status_code == 401
    assert cast.project.name == name


def test_secure_cookies_where_https_is_served(client, monkeypatch, session):
    from app.settings import get_settings

    monkeypatch.setenv("HONE_SECURE_COOKIES", "true")
    get_settings.cache_clear()
    answer = client.get("/sign-in")
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
