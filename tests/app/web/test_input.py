"""Numbers and texts at every door: what no bound holds, what cannot be written down."""

from typing import Annotated, Any

import pytest
from annotated_types import Ge, Le
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from app.input import Id, Input, unwritable
from app.main import app
from app.models.project_settings import SamplingSettings

ROUTES = [route for route in iter_route_contexts(app.routes) if getattr(route, "dependant", None) is not None]
DIGITS = "9" * 5_000


def parameters(dependant: Any) -> list[Any]:
    found = [*dependant.query_params, *dependant.path_params]
    for inner in dependant.dependencies:
        found += parameters(inner)
    return found


def is_number(annotation: Any) -> bool:
    return "int" in str(annotation) or "float" in str(annotation)


def test_every_number_in_an_address_has_two_bounds():
    unbounded = []
    for route in ROUTES:
        for one in parameters(route.dependant):
            if one.field_info.annotation in (int, float) or is_number(one.field_info.annotation):
                bounds = str(one.field_info.metadata) + str(one.field_info.annotation)
                if "Ge(" not in bounds or "Le(" not in bounds:
                    unbounded.append(f"{route.path} {one.name}")
    assert not unbounded


def test_a_form_with_a_number_without_bounds_cannot_be_written():
    for kind in (int, float, int | None, list[int], Annotated[float, Ge(0)], list[Annotated[int, Le(3)]]):
        with pytest.raises(TypeError, match="without a lower and an upper bound"):
            type("Careless", (Input,), {"__annotations__": {"count": kind}})

    class Careful(Input):
        count: int = Field(1, ge=0, le=9)
        pairs: list[Id] = Field(default_factory=list)
        name: str = ""

    assert Careful(count=3, pairs=[4]).pairs == [4]


# JSON as it is sent, since Python's own writer refuses some of it.
NUMBERS = [
    ("sampling", '{"temperature": 1e-40}'),
    ("sampling", '{"temperature": 1e-300}'),
    ("sampling", '{"temperature": 0}'),
    ("sampling", '{"temperature": -0.0}'),
    ("sampling", '{"temperature": -1}'),
    ("sampling", '{"temperature": NaN}'),
    ("sampling", '{"temperature": Infinity}'),
    ("sampling", '{"temperature": 1e400}'),
    ("sampling", '{"temperature": true}'),
    ("sampling", '{"temperature": "1e-40"}'),
    ("sampling", '{"temperature": 5.0000001}'),
    ("sampling", '{"temperature": []}'),
    ("sampling", '{"top_p": 0}'),
    ("sampling", '{"top_p": 1e-45}'),
    ("sampling", '{"top_p": 1.0000001}'),
    ("sampling", '{"top_k": -1}'),
    ("sampling", '{"top_k": 1e3000}'),
    ("sampling", '{"top_k": 1.5}'),
    ("sampling", '{"top_k": false}'),
    ("sampling", '{"max_new_tokens": 0}'),
    ("sampling", '{"max_new_tokens": 99999999999999999999}'),
    ("sampling", f'{{"max_new_tokens": {DIGITS[:4_200]}}}'),
    ("queue", '{"overlap": true}'),
    ("queue", '{"check_share": NaN}'),
    ("queue", '{"control_share": -1e-9}'),
    ("queue", '{"lease_minutes": 1e9}'),
    ("automation", '{"pairs_per_day": 1e400}'),
    ("automation", '{"labels_between_rewards": "0x10"}'),
]


@pytest.mark.parametrize(("section", "values"), NUMBERS, ids=[values[:40] for _, values in NUMBERS])
def test_a_number_out_of_bounds_is_refused_with_its_name(as_, cast, section, values):
    browser = as_("manager")
    answer = browser.patch(
        f"/api/v1/projects/{cast.project.id}",
        content=f'{{"{section}": {values}}}',
        headers={"X-CSRF-Token": browser.csrf(), "Content-Type": "application/json"},
    )
    assert answer.status_code == 422, answer.text
    assert section in str(answer.json()["errors"])


def test_figures_without_end_and_nests_without_bottom_are_no_json(as_, cast):
    browser = as_("manager")
    headers = {"X-CSRF-Token": browser.csrf(), "Content-Type": "application/json"}
    for body in (f'{{"name": {DIGITS}}}', "[" * 200_000, '{"a":' * 100_000, f'{{"sampling": {{"top_k": -{DIGITS}}}}}'):
        answer = browser.patch(f"/api/v1/projects/{cast.project.id}", content=body, headers=headers)
        assert answer.status_code in (400, 422), answer.text


@given(st.floats(), st.floats(), st.integers())
def test_whatever_is_taken_can_be_sampled_with(temperature, top_p, top_k):
    try:
        taken = SamplingSettings(temperature=temperature, top_p=top_p, top_k=top_k)
    except ValueError:
        return
    assert 0.01 <= taken.temperature <= 5
    assert 0.01 <= taken.top_p <= 1
    assert 0 <= taken.top_k <= 100_000


UNWRITABLE = [r"\ud800 hi", r"hi \udfff", r"\udc00\ud800", r"a\u0000b", r"\uD83D and no more"]


@pytest.mark.parametrize("text", UNWRITABLE)
def test_half_characters_are_refused_by_every_call_that_takes_json(as_, cast, text):
    browser = as_("admin")
    headers = {"X-CSRF-Token": browser.csrf(), "Content-Type": "application/json"}
    fields = ("name", "guidelines", "content", "prompt", "response", "reason", "note", "comment", "prompts", "text")
    body = "{" + ", ".join(f'"{field}": "{text}"' for field in fields) + "}"
    tried = 0
    for route in ROUTES:
        if not (route.path or "").startswith("/api/v1") or not getattr(route, "body_field", None):
            continue
        path = route.path.format(**dict.fromkeys(route.param_convertors, cast.project.id))
        for method in route.methods:
            answer = browser.request(method, path, content=body, headers=headers)
            assert answer.status_code == 422, f"{method} {path}: {answer.status_code}"
            assert "cannot be stored" in answer.text
            tried += 1
    assert tried > 15


def test_half_characters_are_found_wherever_they_are():
    assert unwritable({"messages": [{"content": "fine \U0001f600"}, {"content": "\ud800"}]}) == "messages.1.content"
    assert unwritable({"a\udc00": 1}) == "body"
    assert unwritable(["x", 1, None, True, {"y": "z"}]) is None
    assert unwritable("\x00") == "body"


PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(st.recursive(PLAIN | st.none() | st.floats(), lambda each: st.lists(each) | st.dictionaries(PLAIN, each)))
def test_what_can_be_written_down_is_taken(value):
    assert unwritable(value) is None


def test_other_encodings_than_utf8_are_not_guessed_at(client, cast):
    browser = client.sign_in(cast.manager)
    body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n\\ud800\r\n--x--\r\n'
    for charset in (
        "unicode_escape",
        "raw_unicode_escape",
        "utf-7",
        "undefined",
        "idna",
        "punycode",
        "utf-16",
        "rot13",
    ):
        kind = f'multipart/form-data; boundary=x; charset="{charset}"'
        answer = browser.post("/account", content=body, headers={"Content-Type": kind, "X-CSRF-Token": browser.csrf()})
        assert answer.status_code == 415, charset
    utf8 = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-CSRF-Token": browser.csrf()}
    answer = browser.post("/account", content="name=Müller&email=m@example.org".encode(), headers=utf8)
    assert answer.status_code == 303
