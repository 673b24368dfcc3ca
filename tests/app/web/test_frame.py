"""What every answer carries, how failures look, and what is refused before any route runs."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.settings import Settings
from app.web.middleware import POLICY, answers_for
from tests import factories


@pytest.mark.parametrize("who", ["anonymous", "annotator", "admin"])
def test_an_unknown_page_reads_well_and_carries_the_headers(as_, who):
    answer = as_(who).get("/nowhere")
    assert answer.status_code == 404
    assert "Nothing here" in answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/sign-in", "/static/hone.css", "/healthz", "/api/v1/me", "/api/docs"])
def test_every_kind_of_answer_carries_the_headers(client, path):
    answer = client.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-request-id"]


def test_nothing_but_static_files_is_kept_by_a_cache(as_, cast, session):
    run = factories.run(session, cast.project)
    base = f"/projects/{cast.project.id}"
    for path in (
        "/", "/sign-in", "/nowhere", "/api/v1/me", "/api/v1/nowhere", "/api/openapi.json", "/api/docs", "/healthz",
        f"/api/v1{base}/exports/file", f"{base}/exports/file", f"{base}/runs/{run.id}/log",
        f"{base}/runs/{run.id}/points",
        f"{base}/models/{cast.project.base_model_id}/file", f"/api/v1{base}/runs/{run.id}/log", "/healthz/x",
        "/users", f"{base}/imports", "/account/", "/static", "/staticx",
    ):  # fmt: skip
        assert as_("admin").get(path).headers.get_list("cache-control") == ["no-store"], path
    assert as_("admin").get("/users", headers={"Host": "evil.example"}).headers["cache-control"] == "no-store"
    assert as_("admin").get("/static/hone.css?v=1").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert as_("admin").get("/static/nothing.css").headers["cache-control"] == "no-store"


def test_pages_hold_no_inline_script_or_style(as_, cast):
    import re

    browser = as_("admin")
    base = f"/projects/{cast.project.id}"
    for path in (
        "/",
        "/account",
        "/users",
        "/api/docs",
        f"{base}/settings",
        f"{base}/people",
        f"{base}/guidelines/edit",
    ):
        page = browser.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", page), path


def test_the_api_answers_in_json(client):
    answer = client.get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_sign_in_is_asked_for_in_the_callers_way(client):
    page = client.get("/account", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=/account")
    api = client.get("/api/v1/me")
    assert (api.status_code, api.headers["www-authenticate"]) == (401, "Bearer")
    part = client.get("/account", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-retarget"]) == (401, "#messages")
    assert "<html" not in part.text


def test_the_page_to_come_back_to_keeps_its_query(client):
    answer = client.get("/users?q=a&before=3")
    assert answer.headers["location"] == "/sign-in?next=/users%3Fq%3Da%26before%3D3"


@pytest.mark.parametrize("given", ["abc-123", "x" * 65, "bad\x01", 'a"b'])
def test_request_ids_are_taken_over_only_where_they_are_plain(client, given):
    answer = client.get("/sign-in", headers={"X-Request-ID": given.encode("latin1")})
    assert (answer.headers["x-request-id"] == given) == (given == "abc-123")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "[::1", ""])
def test_foreign_host_names_are_refused(client, host):
    assert client.get("/sign-in", headers={"Host": host}).status_code == 400


def test_hosts_that_are_ours():
    open_to_all = Settings(host="0.0.0.0")
    assert answers_for(open_to_all, "192.168.1.7:8000")
    assert answers_for(open_to_all, "[fe80::1]:8000")
    assert not answers_for(open_to_all, "rebound.example:8000")
    behind_proxy = Settings(host="0.0.0.0", public_url="https://hone.example.org/")
    assert answers_for(behind_proxy, "hone.example.org")
    assert answers_for(behind_proxy, "127.0.0.1:8000")
    assert not answers_for(behind_proxy, "192.168.1.7:8000")


def test_large_bodies_are_refused(as_):
    browser = as_("annotator")
    answer = browser.submit("/account", name="x" * (3 * 2**20), email="a@example.org")
    assert answer.status_code == 413
    assert "smaller parts" in answer.text

    def chunks():
        for _ in range(48):
            yield b"x" * 2**16

    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRF-Token": browser.csrf()}
    assert browser.post("/account", content=chunks(), headers=headers).status_code == 413


@pytest.mark.parametrize("path", ["/projects/0/people", "/projects/x/people", f"/projects/{2**63}/people"])
def test_impossible_ids_are_pages_that_do_not_exist(as_, path):
    assert as_("admin").get(path).status_code == 404


def test_what_postgresql_cannot_hold_is_refused_with_a_sentence(as_, cast):
    answer = as_("admin").get("/users", params={"q": "a\x00b"})
    assert answer.status_code == 422
    assert "cannot be stored" in answer.text
    answer = as_("manager").submit(f"/projects/{cast.project.id}/guidelines", guidelines="a\x00b")
    assert answer.status_code == 422


def test_a_database_that_is_away_answers_503(client, caplog):
    from app import db
    from app.main import app

    def away():
        raise OperationalError("select :mail", {"mail": "ada@example.org"}, Exception("connection\nrefused"))
        yield

    app.dependency_overrides[db.get_session] = away
    client.cookies.set("hone_session", "x")
    answer = client.get("/account")
    assert answer.status_code == 503
    assert "database does not answer" in answer.text
    assert answer.headers["retry-after"] == "5"
    (said,) = [record for record in caplog.records if record.name == "app.web.problems"]
    assert said.getMessage() == "database not available: connection refused"
    assert said.exc_info is None


def test_a_fault_of_ours_is_a_page_without_a_traceback(client, session, monkeypatch, caplog):
    from app.projects import queries

    def broken(*_):
        session.execute(text("select 1"))
        raise RuntimeError("the reason, for the log only")

    monkeypatch.setattr(queries, "listed", broken)
    from tests import factories

    answer = client.sign_in(factories.user(session)).get("/")
    assert answer.status_code == 500
    assert "the reason" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert "the reason, for the log only" in caplog.text


def test_wrong_methods_are_told(client):
    assert client.delete("/account", headers={"X-CSRF-Token": client.csrf()}).status_code == 405


def test_flash_is_shown_once_and_cannot_be_forged(as_):
    browser = as_("annotator")
    browser.submit("/account", name="Anna", email="anna@example.org")
    assert "Saved." in browser.get("/account").text
    assert "Saved." not in browser.get("/account").text
    browser.cookies.set("hone_flash", "WyJiYWQiLCAiaGFja2VkIl0=.AAAA", domain="localhost.local", path="/")
    assert "hacked" not in browser.get("/account").text
