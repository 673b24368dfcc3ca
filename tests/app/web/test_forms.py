"""Forms, filters and pages by key: small rules with known answers."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from starlette.datastructures import FormData

from app.models import User
from app.web import events, filters, rate_limits
from app.web.errors import Invalid, TooMany
from app.web.forms import parse, typed
from app.web.pages import page
from app.web.render import local_path
from tests import factories


class Example(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: Annotated[int, Field(ge=1, le=5)] = 3
    share: float | None = None
    on: bool = True
    scale: Literal[0, 2] = 0
    lines: list[str] = Field(default_factory=list, max_length=2)
    text: Annotated[str, Field(min_length=2)] = "ab"
    answers: dict[str, str] = Field(default_factory=dict, max_length=2)


def test_a_form_becomes_its_model():
    form = FormData(
        [("number", "4"), ("share", " "), ("on", "true"), ("scale", "2"), ("lines", " a \n\nb "), ("csrf_token", "t")]
    )
    assert parse(Example, form) == Example(number=4, share=None, on=True, scale=2, lines=["a", "b"], text="ab")


def test_a_line_break_counts_as_one_character_wherever_it_is_typed():
    form = FormData([("text", "a\r\nb"), ("answers[one]", "c\r\n"), ("lines", "d\r\ne")])
    assert parse(Example, form) == Example(on=False, text="a\nb", answers={"one": "c\n"}, lines=["d", "e"])


def test_an_absent_checkbox_is_false_and_a_blank_number_not_given():
    assert parse(Example, FormData([("number", "")])) == Example(on=False)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("number", "6", "This must be at most 5."),
        ("number", "0", "This must be at least 1."),
        ("number", "two", "Please give a whole number."),
        ("number", "1.5", "Please give a whole number."),
        ("share", "much", "Please give a number."),
        ("scale", "1", "This must be one of 0 or 2."),
        ("lines", "a\nb\nc", "At most 2 entries, please."),
        ("text", "a", "This must be at least 2 characters long."),
    ],
)
def test_each_mistake_has_its_sentence(field, value, sentence):
    with pytest.raises(Invalid) as refusal:
        parse(Example, FormData([(field, value)]))
    assert refusal.value.errors == {field: sentence}
    assert typed(Example, FormData([(field, value)]))[field] == value


def test_a_dictionary_is_made_of_fields_with_keys():
    form = FormData([("answers[Which [one]?]", "left"), ("answers[]", "x"), ("csrf_token", "t")])
    assert parse(Example, form).answers == {"Which [one]?": "left", "": "x"}
    for wrong in ("answers", "answers[", "answersx]", "answer[x]"):
        with pytest.raises(Invalid):
            parse(Example, FormData([(wrong, "left")]))


def test_unknown_fields_are_named():
    with pytest.raises(Invalid, match="no field named is_admin"):
        parse(Example, FormData([("is_admin", "1")]))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (61, "1 min 1 s"), (600, "10 min"), (3599, "59 min"), (3600, "1 h"),
     (4800, "1 h 20 min"), (86400, "1 d"), (187_200, "2 d 4 h"), (None, "–")],
)  # fmt: skip
def test_durations(seconds, words):
    assert filters.span(seconds) == words


def test_numbers_times_and_sizes():
    assert filters.count(1234567) == "1\u202f234\u202f567"
    assert filters.percent(0.6549, 1) == "65.5%"
    assert filters.decimal(0.00004) == "4.0e-05"
    assert filters.decimal(0) == "0.000"
    assert filters.size(2_500_000) == "2.5 MB"
    assert filters.plural(1, "label") == "1 label"
    assert filters.plural(2, "person", "people") == "2 people"
    moment = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    assert str(filters.when(moment)) == ('<time datetime="2026-03-04T05:06:00+00:00">04 Mar 2026, 05:06 UTC</time>')
    assert "3 min ago" in filters.ago(datetime.now(UTC) - timedelta(seconds=180))
    assert "in 2 h" in filters.ago(datetime.now(UTC) + timedelta(seconds=7200.4))


def test_pages_by_key_miss_and_repeat_nothing_while_rows_arrive(session):
    ids = [factories.user(session).id for _ in range(7)]
    first = page(session, select(User), User.id, None, limit=3)
    factories.user(session)
    second = page(session, select(User), User.id, first.before, limit=3)
    last = page(session, select(User), User.id, second.before, limit=3)
    assert [user.id for part in (first, second, last) for user in part.items] == ids[::-1]
    assert last.before is None


def test_events_keep_line_breaks_and_cannot_be_broken_out_of():
    assert events.event("a\nb\r\nc", name="x\nevent: y", key="7") == (
        "event: x event: y\nid: 7\ndata: a\ndata: b\ndata: c\n\n"
    )


@pytest.mark.parametrize("url", ["/a", "/a?b=c&d=%20", "/projects/1#x"])
def test_paths_of_ours_are_kept(url):
    assert local_path(url) == url


def test_a_limit_counts_each_person_apart_and_says_how_long_to_wait(redis_url, monkeypatch):
    from app.settings import get_settings

    monkeypatch.setenv("REDIS_URL", redis_url)
    get_settings.cache_clear()
    for _ in range(2):
        rate_limits.hit("2/minute", "test", "a")
    with pytest.raises(TooMany, match=r"wait \d+ seconds") as refusal:
        rate_limits.hit("2/minute", "test", "a")
    assert 0 < refusal.value.retry_after <= 120
    rate_limits.hit("2/minute", "test", "b")
    rate_limits.forget("2/minute", "test", "a")
    rate_limits.hit("2/minute", "test", "a")
    get_settings.cache_clear()
