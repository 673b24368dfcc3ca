"""The registry: what every kind says of itself, and kinds that come from outside the tree."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.annotation import KINDS, kind_named, register
from app.annotation.comparison import COMPARISON
from app.annotation.comparison.kind import Comparison
from app.models.project_settings import LabelSettings
from app.resources import ROOT, STATIC
from app.web.errors import Invalid
from app.web.render import environment
from tests.asking import asking

OUTSIDE = """
from typing import Literal

from app.annotation import RawLabel, Kind, register
from app.models.kind_settings import KindSettings
from app.models.values import LabelValue, Said


class Rating(LabelValue):
    kind: Literal["rating"] = "rating"
    stars: int

    def said(self, name):
        return [Said("", f"{self.stars} stars")]


class Ratings(Kind):
    name, title, singular, plural = "rating", "Rating", "rating", "ratings"
    summary = heading = "How good is it?"
    template, keys = "rating.html", "rating.html"
    value, settings, responses = Rating, KindSettings, range(1, 2)

    def read(self, settings, given):
        return Rating(stars=int(raw.text))

    def raw(self, value):
        return RawLabel(str(value.stars))

    def to_preferences(self, value):
        return []


register(Ratings())
"""


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_says_what_pages_need(kind):
    assert kind.value.model_fields["kind"].default == kind.name
    assert 0 <= kind.responses.start < kind.responses.stop <= 9
    for template in (kind.template, kind.keys):
        assert environment().get_template(template)
    if kind.script:
        assert (STATIC / kind.script).is_file()
    for about in kind.settings.model_json_schema()["properties"].values():
        assert about["title"], "its settings are drawn from this"
        assert about["description"]


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="'comparison' already"):
        register(Comparison())
    assert KINDS["comparison"] is COMPARISON is register(COMPARISON)


def test_an_unknown_kind_is_a_sentence():
    with pytest.raises(Invalid, match="no kind of items named 'guess'"):
        kind_named("guess")
    with pytest.raises(ValidationError, match="no kind of items named 'guess'"):
        LabelSettings(kinds={"guess": {}})


def test_something_is_asked():
    with pytest.raises(ValidationError, match="at least one kind"):
        asking({name: {"share": 0} for name in KINDS})
    assert LabelSettings().asked == {"comparison": 1.0}


def test_a_kind_from_outside_is_named_in_one_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "hone_rating"
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").write_text(OUTSIDE)
    (package / "templates" / "rating.html").write_text("<p>stars</p>")
    seen = """
import app.main, workers.runs.celery_app
from app.annotation import KINDS
from app.models.project_settings import LabelSettings
from app.web.render import environment
asked = LabelSettings(kinds={"rating": {"share": 300 // 3}})
print([*KINDS][-1], asked.asked["rating"], environment().get_template("rating.html").render())
"""
    monkeypatch.setenv("HONE_EXTENSIONS", " hone_rating ,")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    told = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, timeout=120)
    assert told.stdout == "rating 0.5 <p>stars</p>\n", told.stderr
