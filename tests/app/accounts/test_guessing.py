"""Wrong passwords: counted together wherever one is asked for, slow for whoever guesses, no matter for the person."""

import re

import pytest
from argon2 import PasswordHasher

from app.accounts import attempts, passwords
from app.web.signing import digest
from tests import factories

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """Many passwords are tried here: the same scheme with small parameters."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64))
    passwords._decoy.cache_clear()
    yield
    passwords._decoy.cache_clear()


@pytest.fixture
def ada(session):
    return factories.user(session, email="ada@example.org", name="Ada", password_hash=passwords.hash_password(PASSWORD))


@pytest.fixture
def tried(client):
    """Sign in from an address with a browser's cookies, by default a new one; the answer."""

    def sign_in(password="wrong", email="ada@example.org", where="198.51.100.1", cookies=None):
        client.cookies.clear()
        for name, value in (cookies or {}).items():
            client.cookies.set(name, value, domain="localhost.local", path="/")
        client._transport.client = (where, 50000)
        return client.submit("/sign-in", email=email, password=password, next="/")

    return sign_in


def addresses(count):
    return [f"203.0.{number // 200}.{number % 200}" for number in range(count)]


def known_browser(client, tried, **over):
    assert tried(PASSWORD, **over).status_code == 303
    return {attempts.BROWSER_COOKIE: client.cookies[attempts.BROWSER_COOKIE]}


def test_a_known_browser_signs_in_while_others_guess(client, ada, tried):
    cookies = known_browser(client, tried)
    answers = [tried(where=where).status_code for where in addresses(100)]
    assert answers[:20] == [422] * 20
    assert answers.count(422) <= 22  # a fresh minute may begin meanwhile
    for where in ("198.51.100.1", "203.0.0.7", "192.0.2.200"):  # at home, at a guesser's address, on the road
        assert tried(PASSWORD, cookies=cookies, where=where).status_code == 303


def test_everybody_else_waits_a_minute_not_an_hour(ada, tried):
    for where in addresses(30):
        tried(where=where)
    refused = tried(PASSWORD, where="192.0.2.1")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) <= 120
    assert "a sign-in link" in refused.text
    assert tried(PASSWORD, email="other@example.org", where="192.0.2.1").status_code == 422


def test_it_is_the_same_for_who_does_not_exist(ada, tried):
    def answers(email):
        found = [tried(email=email, where=where) for where in addresses(24)]
        return [
            (one.status_code, re.sub(r'value="[^"]*"|X-CSRF[^}]*|<code>\w+</code>|\d+', "", one.text)) for one in found
        ]

    assert answers("ada@example.org") == answers("nobody@example.org")


def test_one_address_has_ten_tries_however_the_e_mail_is_spelled(ada, tried):
    spelled = ["ada@example.org", "ADA@Example.org", " ada@example.org", "ada＠example.org", "ａda@example.org"]
    answers = [tried(email=spelled[number % 5]).status_code for number in range(12)]
    assert answers == [422] * 10 + [429] * 2
    assert tried(PASSWORD, where="192.0.2.1").status_code == 303


def test_a_household_of_ipv6_is_one_address(ada, tried):
    answers = [tried(where=f"2001:db8:0:7::{number:x}").status_code for number in range(11)]
    assert answers == [422] * 10 + [429]
    assert tried(where="2001:db8:0:8::1").status_code == 422


def test_a_right_password_starts_the_count_anew(ada, tried):
    assert [tried().status_code for _ in range(9)] == [422] * 9
    assert tried(PASSWORD).status_code == 303
    assert [tried().status_code for _ in range(10)] == [422] * 10
    assert tried(PASSWORD).status_code == 429


def test_a_known_browser_has_a_count_of_its_own(client, ada, tried):
    cookies = known_browser(client, tried)
    answers = [tried(cookies=cookies, where=where).status_code for where in addresses(12)]
    assert answers == [422] * 10 + [429] * 2
    assert tried(PASSWORD, where="192.0.2.1").status_code == 303


@pytest.mark.parametrize("forged", ["", "x.y", "AAAAAAAAAAAAAAAAAAAAAAAA.BBBB", "." * 50, "ä.ö", "another account's"])
def test_a_cookie_that_is_not_this_accounts_helps_nobody(client, session, ada, tried, forged):
    if forged == "another account's":
        mallory = factories.user(session, email="mallory@example.org", password_hash=passwords.hash_password(PASSWORD))
        forged = known_browser(client, tried, email=mallory.email)[attempts.BROWSER_COOKIE]
    for where in addresses(30):
        tried(where=where)
    raw = f"{attempts.BROWSER_COOKIE}={forged}".encode()
    client.cookies.clear()
    headers = [(b"cookie", raw + b"; hone_visitor=v"), (b"x-csrf-token", _csrf_of("v"))]
    form = {"email": "ada@example.org", "password": PASSWORD, "next": "/"}
    assert client.post("/sign-in", data=form, headers=headers).status_code == 429


def _csrf_of(visitor):
    from app.web.csrf import VISITOR_COOKIE
    from app.web.signing import sign

    return sign("csrf", f"{VISITOR_COOKIE}={visitor}").encode()


def test_one_browser_is_known_to_several_people_and_no_more_than_eight(client, session, ada, tried):
    cookies = known_browser(client, tried)
    for number in range(8):
        person = factories.user(session, password_hash=ada.password_hash)
        cookies = known_browser(client, tried, email=person.email, cookies=cookies, where=f"192.0.2.{number}")
    assert cookies[attempts.BROWSER_COOKIE].count(".") == 8
    for where in addresses(30):
        tried(where=where)
        tried(email=person.email, where=where)
    assert tried(PASSWORD, email=person.email, cookies=cookies).status_code == 303
    assert tried(PASSWORD, cookies=cookies).status_code == 429  # the first of nine is forgotten


def test_the_cookie_is_for_the_server_only(client, ada, tried):
    cookie = next(one for one in tried(PASSWORD).headers.get_list("set-cookie") if attempts.BROWSER_COOKIE in one)
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert str(ada.id) not in cookie.split(".")[0]
    client.submit("/sign-out")
    assert attempts.BROWSER_COOKIE in client.cookies


def test_the_invitation_form_counts_with_sign_in(client, session, cast, ada, tried):
    """An open invitation asks for e-mail and password, so it must not be the place to guess."""
    factories.invitation(session, cast.project, cast.manager, token_hash=digest("open"))
    client._transport.client = ("198.51.100.1", 50000)
    guess = {"name": "Ada", "email": "Ada@example.org", "password": "a guess of mine"}
    assert [tried().status_code for _ in range(5)] == [422] * 5
    client.cookies.clear()
    answers = [client.submit("/invitations/open", **guess).status_code for _ in range(6)]
    assert answers == [422] * 5 + [429]
    assert client.submit("/invitations/open", **(guess | {"password": PASSWORD})).status_code == 429
    assert tried(PASSWORD).status_code == 429


def test_the_account_page_counts_with_sign_in(client, session, ada, tried):
    client.sign_in(ada)
    client._transport.client = ("198.51.100.1", 50000)
    fields = {"current": "a guess of mine", "new": "a new long password"}
    assert [client.submit("/account/password", **fields).status_code for _ in range(11)] == [422] * 10 + [429]
    assert tried(PASSWORD).status_code == 429


def test_the_limit_holds_in_memory_when_redis_is_away(client, tried, monkeypatch):
    from app.settings import get_settings

    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    get_settings.cache_clear()
    answers = [tried(email="redis-away@example.org", where="192.0.2.77").status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]


def test_whether_an_e_mail_is_taken_is_not_told_for_long(client, session, ada):
    factories.user(session, email="taken@example.org")
    client.sign_in(ada)
    answers = []
    for number in range(12):
        email = "taken@example.org" if number % 2 else f"free{number}@example.org"
        answers.append(client.submit("/account", name="Ada", email=email))
    assert [answer.status_code for answer in answers] == [303, 422] * 5 + [429] * 2
    assert "There is an account" not in "".join(answer.text for answer in answers)
    assert client.submit("/account", name="Ada L.", email="free8@example.org").status_code == 303  # it stays the same


def test_odd_input_is_a_wrong_password_not_a_fault(tried):
    for email in ("", "\x00", "a\x00@b.org", "@", "a" * 10**6, "\u202e@x.org", "%", "x" * 64 + "@" + "y" * 300):
        assert tried(email=email, where="192.0.2.50").status_code == 422, email[:20]
    assert tried("p" * 10**6, email="long@example.org").status_code == 422
