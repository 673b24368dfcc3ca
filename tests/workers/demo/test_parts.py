"""The parts of the demo that need no platform: reading pages, drawing curves, remembering, judging the result."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from workers.demo import curves, report, sizes
from workers.demo.browser import Browser, PageProblem
from workers.demo.platform import Memory
from workers.demo.report import shortcomings

PAGE = """<main><h1>Settings</h1>
<form action="/projects/1/settings/other" method="post"><input name="a" value="1"></form>
<form action="/projects/1/settings/queue" method="post">
  <input type="hidden" name="csrf_token" value="secret">
  <input name="depth" value="50"><textarea name="text">
two
lines</textarea>
  <input type="checkbox" name="on" value="true" checked><input type="checkbox" name="off" value="true">
  <select name="pick"><option value="x">X</option><option value="y" selected>Y</option></select>
  <select name="first"><option>one</option><option>two</option></select>
  <button name="action" value="save">Save</button>
</form><pre data-answer="1">
  kept  as   written</pre></main>"""


class Recorder:
    """Answers GET with the page, and keeps what is posted."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.sent = dict(httpx.QueryParams(request.content.decode()))
            return httpx.Response(422, text='<main><p class="notice bad">Too deep.</p></main>')
        return httpx.Response(200, text=PAGE)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def browser(recorder: Recorder) -> Browser:
    opened = Browser("http://hone.test")
    opened._client = httpx.Client(base_url="http://hone.test", transport=httpx.MockTransport(recorder))
    return opened


def test_a_form_is_sent_as_a_browser_sends_it(browser: Browser, recorder: Recorder) -> None:
    form = browser.get("/settings").form("/settings/queue").set(depth=60, off=True, on=False)
    with pytest.raises(PageProblem, match=r"answered 422: Too deep\."):
        form.send(action="save")
    assert recorder.sent == {
        "csrf_token": "secret",
        "depth": "60",
        "text": "two\nlines",
        "off": "true",
        "pick": "y",
        "first": "one",
        "action": "save",
    }


def test_raw_answers_keep_their_spaces(browser: Browser) -> None:
    assert browser.get("/").one('[data-answer="1"]').text() == "  kept  as   written"


def test_a_page_without_the_form_is_a_sentence(browser: Browser) -> None:
    with pytest.raises(PageProblem, match=r"has no form for /nothing\. Settings"):
        browser.get("/settings").form("/nothing")


@pytest.mark.parametrize("values", [[1.0], [0.1, 0.1], [3e-5, -2.0, 900.0], [float("nan"), 1.0, 2.0], [0.5] * 50])
def test_a_curve_is_well_formed_and_inside_its_frame(values: list[float]) -> None:
    svg = ElementTree.fromstring(str(curves.chart(range(len(values)), values)))
    for node in svg.iter("polyline"):
        for point in node.attrib["points"].split():
            across, down = map(float, point.split(","))
            assert 0 <= across <= curves.WIDTH
            assert 0 <= down <= curves.HEIGHT


def test_no_points_no_curve() -> None:
    assert curves.chart([], []) == ""


def good() -> dict[str, Any]:
    return {
        "reward_holdout_accuracy": 0.7,
        "policy_win_rate": 0.6,
        "policy_win_rate_low": 0.51,
        "comparisons": 120,
        "kl": 3.0,
        "kl_budget": 20,
    }


def test_a_good_result_lacks_nothing() -> None:
    assert shortcomings(sizes.full(), good()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reward_holdout_accuracy": 0.6}, "60.0% of the holdout pairs"),
        ({"policy_win_rate_low": 0.5}, "not above 50%"),
        ({"policy_win_rate_low": None, "policy_win_rate": None}, "not above 50%"),
        ({"comparisons": 99}, "99 comparisons"),
        ({"kl": 20.0}, "not below the budget"),
    ],
)
def test_a_loop_that_did_not_close_says_why(change: dict[str, Any], says: str) -> None:
    (sentence,) = shortcomings(sizes.full(), good() | change)
    assert says in sentence


def test_memory_survives_and_belongs_to_one_size(tmp_path: Path) -> None:
    Memory(tmp_path, "small").keep(project="/projects/3")
    assert Memory(tmp_path, "small").values["project"] == "/projects/3"
    assert "project" not in Memory(tmp_path, "full").values
    assert (tmp_path / "demo-state.json").stat().st_mode & 0o077 == 0
    (tmp_path / "demo-state.json").write_text("{broken")
    assert Memory(tmp_path, "small").values == {"sizes": "small"}


def test_an_unfinished_demo_still_reports(tmp_path: Path) -> None:
    found = {
        "ok": False,
        "problem": "No sampling run began.",
        "model": "tiny:7",
        "taste": "Plain.",
        "taste_noise": 0.2,
        "annotators": "3 simulated",
        "seconds": {"start": 1.0},
        "total_seconds": 1.0,
    }
    report.write(tmp_path, found, {})
    assert json.loads((tmp_path / "demo-report.json").read_text())["problem"] == "No sampling run began."
    page = (tmp_path / "report.html").read_text()
    assert "The loop did not close" in page
    assert "No sampling run began." in page


def test_an_unknown_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_DEMO", "huge")
    with pytest.raises(ValueError, match="takes full or small"):
        sizes.chosen()
