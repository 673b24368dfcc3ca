"""A person's own keys: which are taken, what they stand for, and that only who changed them has them."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import inspect, select

from app.annotation import KINDS
from app.labels import keys
from app.models import User
from app.web.errors import Invalid
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]
USUAL = {action.name: action.key for action in keys.actions()}


def test_every_action_has_a_usual_key_of_its_own_on_the_screen() -> None:
    assert keys.read(USUAL) == {}
    for kind in ("", *KINDS):
        together = [action.key for action in keys.actions(kind)]
        assert len(set(together)) == len(together)


@pytest.mark.parametrize("key", ["", "é", "É", "+", "ф", "１", "٢", "𝕏"])
def test_any_letter_digit_or_sign_is_a_key_and_an_empty_field_takes_it_away(key: str) -> None:
    assert keys.read({"skip": f" {key} "}) == {"skip": key}


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({"skip": "Enter"}, {"skip": "Give one key: a letter, a digit or a sign."}),
        ({"skip": "\u202e"}, {"skip": "Give one key: a letter, a digit or a sign."}),
        ({"skip": "e\u0301\u0301"}, {"skip": "Give one key: a letter, a digit or a sign."}),
        ({"skip": "🙂" * 25_000}, {"skip": "Give one key: a letter, a digit or a sign."}),
        ({"skip": "？"}, {"skip": "? opens the list of keys on every page. Choose another."}),
        ({"skip": "u"}, {"skip": "u is the key of “Undo”. Choose another, or change that one too."}),
        ({"skip": "Q"}, {"skip": "⇧Q is the key of “Flag: ask a manager”. Choose another, or change that one too."}),
        ({"skip": "%", "undo": "%"}, {"undo": "% is the key of “Skip”. Choose another, or change that one too."}),
        ({"nonsense": "w"}, {"keys": "There is no action named 'nonsense'."}),
    ],
)
def test_what_can_be_no_key_is_refused_with_a_sentence(sent: dict[str, str], errors: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refusal:
        keys.read(sent)
    assert refusal.value.errors == errors


def test_two_keys_are_swapped_by_changing_both() -> None:
    assert keys.read({"skip": "u", "undo": "s"}) == {"skip": "u", "undo": "s"}
    assert keys.meanings({"skip": "u", "undo": "s"})[""] == {"u": "s", "s": "u"}


def test_a_key_can_be_taken_from_what_is_not_used_and_be_one_thing_for_each_kind() -> None:
    own = keys.read({"question_2_equal": "", "skip": "k", "write": "i"})
    assert own == {"question_2_equal": "", "skip": "k", "write": "i"}
    found = keys.meanings(own)
    assert found["comparison"] == {"k": "s", "s": ""}
    assert found["demonstration"] == {"k": "s", "s": "", "i": "e", "e": ""}
    assert found["ranking"] == found[""] == {"k": "s", "s": ""}
    with pytest.raises(Invalid) as refusal:
        keys.read({"write": "s"})
    assert refusal.value.errors == {"write": "s is the key of “Skip”. Choose another, or change that one too."}


@given(st.dictionaries(st.sampled_from(sorted(USUAL)), st.sampled_from(["", *USUAL.values(), *"wzéöф+-"])))
def test_with_what_is_taken_no_key_means_two_things_at_once(sent: dict[str, str]) -> None:
    now = USUAL | sent
    screens = [[now[action.name] for action in keys.actions(kind) if now[action.name]] for kind in ("", *KINDS)]
    if any(len(set(each)) < len(each) for each in screens):
        with pytest.raises(Invalid) as refusal:
            keys.read(sent)
        assert set(refusal.value.errors) <= {name for name in sent if sent[name] != USUAL[name]}
        return
    own = keys.read(sent)
    assert USUAL | own == now
    for kind, found in keys.meanings(own).items():
        for action in keys.actions(kind):
            key = now[action.name]
            assert not key or found.get(key, key) == action.key


def sent(browser: Browser, keys: dict[str, str], **more: Any) -> Any:
    fields: dict[str, Any] = {f"keys[{name}]": key for name, key in keys.items()}
    return browser.submit("/account/keys", **fields, **more)


def on_screen(browser: Browser, cast: Cast) -> dict[str, dict[str, str]]:
    found = re.search("data-keys='([^']*)'", browser.get(f"/projects/{cast.project.id}/label").text)
    assert found
    keys: dict[str, dict[str, str]] = json.loads(found[1])
    return keys


def test_the_page_saves_keys_refuses_what_clashes_and_resets(as_: As, cast: Cast) -> None:
    browser = as_("annotator")
    assert sent(browser, {"skip": "é", "undo": "u"}).status_code == 303
    assert cast.annotator.keys == {"skip": "é"}
    assert cast.manager.keys == {}
    refused = sent(browser, {"skip": "w", "undo": "w w"})
    assert refused.status_code == 422
    assert 'value="w w"' in refused.text
    assert "Give one key" in refused.text
    assert cast.annotator.keys == {"skip": "é"}
    assert on_screen(browser, cast)["comparison"] == {"é": "s", "s": ""}
    assert sent(browser, {"skip": "w w"}, reset="true").status_code == 303
    assert cast.annotator.keys == {}
    assert on_screen(browser, cast) == {}


def test_a_program_may_read_its_persons_keys_and_only_they_may_change_them(as_: As, cast: Cast) -> None:
    browser = as_("annotator")
    token = browser.bearer(cast.annotator)
    assert browser.put("/api/v1/me/keys", json={"keys": {"skip": "é"}}, headers=token).status_code == 403
    sent = {"X-CSRF-Token": browser.csrf()}
    taken = browser.put("/api/v1/me/keys", json={"keys": {"skip": "é"}}, headers=sent)
    assert taken.status_code == 200
    refused = browser.put("/api/v1/me/keys", json={"keys": {"skip": "u"}}, headers=sent)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["skip"])
    found = browser.get("/api/v1/me/keys", headers=token).json()["keys"]
    assert {each["action"]: each["key"] for each in found} == USUAL | {"skip": "é"}
    assert browser.put("/api/v1/me/keys", json={"keys": {}}, headers=sent).json()["keys"][0]["key"] == "1"
    assert cast.annotator.keys == {}


def test_nobody_asks_for_keys_but_pages_about_them() -> None:
    assert "keys" in inspect(User).attrs
    assert '"user".keys' not in str(select(User))
