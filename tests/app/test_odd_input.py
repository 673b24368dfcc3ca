"""Every route against input that no page of ours sends: refused with a sentence, never a fault of ours."""

import re

import pytest

from app.main import app
from app.web.guard import access_by_route
from app.web.middleware import PROBES

# Not the endless streams of events, which hold sessions of their own.
ROUTES = sorted(route for route in access_by_route(app) if not route[1].endswith("/events"))
IDS = [f"{method} {path}" for method, path in ROUTES]
ODD = ["\x00", "99999999999999999999999", "ünï \U0001f600" + "x" * 300]


FIELDS = (
    "name", "email", "password", "next", "before", "after", "q", "action", "role", "note", "reason", "guidelines",
    "choice", "strength", "reasons", "comment", "seconds", "prompt", "message", "content", "text", "count", "split",
    "status", "source", "layout", "format", "page", "model_id", "reward_model_id", "baseline_id", "step", "prompts",
    "assignment_id", "temperature", "overlap", "levels", "archived", "limit", "kind", "state", "annotator", "run",
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=IDS)
def test_no_input_breaks_a_route(as_, cast, method, path):
    browser = as_("admin")
    numbers = re.sub(r"{(\w+)(:\w+)?}", lambda found: str(cast.project.id) if found[1] == "project_id" else "1", path)
    headers = {"X-CSRF-Token": browser.csrf()}
    answers = []
    for odd in ODD if path not in PROBES else ODD[:1]:
        fields = dict.fromkeys(FIELDS, odd)
        if method == "GET":
            answers.append(browser.get(numbers, params=fields))
        elif path.startswith("/api/"):
            answers.append(browser.request(method, numbers, json=fields, headers=headers))
        else:
            answers.append(browser.request(method, numbers, data=fields, headers=headers))
    if method != "GET":
        broken = headers | {"Content-Type": "application/json"}
        answers.append(browser.request(method, numbers, content=b"\xff\xfe{", headers=broken))
    for answer in answers:
        assert answer.status_code < 500 or path in PROBES, (answer.url, answer.text[:300])
