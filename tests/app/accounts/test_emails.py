"""E-mail addresses: one spelling for one account, and who was here before keeps theirs."""

import pytest

from app.accounts import emails, passwords, queries
from app.web.signing import digest
from tests import factories

PASSWORD = "correct horse battery"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("pat.o'brien@example.org", "pat.o'brien@example.org"),
        (" Ada+Labels@Example.ORG\n", "ada+labels@example.org"),
        ("admin@localhost.local", "admin@localhost.local"),
        ("ada@team.test", "ada@team.test"),
        ("ada＠example.org", "ada@example.org"),
        ("\u212aay@example.org", "kay@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada@аpple.com", "ada@xn--pple-43d.com"),  # the Cyrillic letter shows
        ("jo\u0308rg@example.org", "jörg@example.org"),
        ("иван@example.org", "иван@example.org"),
        ("a_b-c.d!#$%&*/=?^`{|}~@example.org", "a_b-c.d!#$%&*/=?^`{|}~@example.org"),
    ],
)
def test_an_address_has_one_spelling(typed, stored):
    assert emails.clean(typed) == stored
    assert emails.spellings(typed)[0] == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@example",
        "ada@example.org.",
        "ada@.example.org",
        "ada@ex..ample.org",
        "a..da@example.org",
        ".ada@example.org",
        "ada.@example.org",
        '"ada l"@example.org',
        "Ada <ada@example.org>",
        "ada@[127.0.0.1]",
        "a b@example.org",
        "ada@exa mple.org",
        "ada@-example.org",
        "ada@example.org,bob@example.org",
        "ada@@example.org",
        "аda@example.org",
        "ada\u200b@example.org",
        "ada@exam\u00adple.org",
        "\u202eada@example.org",
        "ada@example.org\x00",
        "ada\ud800@example.org",
        "a" * 250 + "@example.org",
        "a@" + "b." * 120 + "c" * 30,
        "a" * 10**6,
    ],
)
def test_what_is_no_address_or_hides_something_is_refused(typed):
    with pytest.raises(ValueError, match=r"\.$"):
        emails.clean(typed)


@pytest.mark.parametrize(
    "old", ["Ada@Example.org", "ada\u200b@example.org", "аda@example.org", "ada@bücher.example", "ａda@x.org", "A@b.c"]
)
def test_an_account_from_before_signs_in_with_its_old_spelling_and_keeps_it(client, session, old):
    ada = factories.user(session, name="А\u200bda", email=old, password_hash=passwords.hash_password(PASSWORD))
    assert client.submit("/sign-in", email=f" {old.swapcase()} ", password=PASSWORD, next="/").status_code == 303
    assert client.submit("/account", name=ada.name, email=old).status_code == 303
    assert client.submit("/account", name="Ada", email=old).status_code == 303
    session.refresh(ada)
    assert (ada.name, ada.email) == ("Ada", old)
    assert client.submit("/account", name="А\u200bda", email=old).status_code == 422


def test_of_two_spellings_each_finds_its_own(session):
    old, new = (factories.user(session, email=email) for email in ("ａda@example.org", "ada@example.org"))
    assert queries.user_by_email(session, "ａda@example.org") == old
    assert queries.user_by_email(session, "Ada@example.org") == new
    assert queries.user_by_email(session, "ada＠example.org") == new


def test_an_invited_person_is_stored_under_the_one_spelling(client, session, cast):
    factories.invitation(session, cast.project, cast.manager, token_hash=digest("open"))
    fields = {"name": " Pat  O'Brien ", "email": "Pat.O'Brien@BÜCHER.example", "password": PASSWORD}
    assert client.submit("/invitations/open", **fields).status_code == 303
    pat = queries.user_by_email(session, "pat.o'brien@bücher.example")
    assert (pat.name, pat.email) == ("Pat O'Brien", "pat.o'brien@xn--bcher-kva.example")
    factories.invitation(session, cast.project, cast.manager, token_hash=digest("again"))
    client.cookies.clear()
    taken = client.submit(
        "/invitations/again", **(fields | {"email": "PAT.o'brien@xn--bcher-kva.example", "password": "a guess of mine"})
    )
    assert taken.status_code == 422
