"""The audit trail in sentences, on its pages, in the API and for every event that the code records."""

import ast
import re
from pathlib import Path

import pytest

from app.accounts import audit, events, queries
from app.models import AuditEvent, RunKind
from app.web.pages import Page
from tests import factories

ROOT = Path(__file__).parents[3]


def recorded() -> set[str]:
    """The actions in the code: what `record` is called with, as a literal or by a name that has one."""
    files = [path for folder in ("app", "workers") for path in (ROOT / folder).rglob("*.py")]
    trees = [ast.parse(path.read_text("utf-8")) for path in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    named: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, set()).update(literals(node.value))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Call) and name_of(node.func) in ("record", "_record") and len(node.args) > 2:
            action = node.args[2]
            found |= named.get(name_of(action), set()) or literals(action)
    return found


def literals(node: ast.expr) -> set[str]:
    """The texts in it that look like an action."""
    texts = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return {text for text in texts if re.fullmatch(r"[a-z]\w+\.\w+", text)}


def name_of(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_every_event_that_the_code_records_has_its_sentence():
    found = recorded()
    assert len(found) > 40
    assert found - set(events.SENTENCES) == set()
    queued = {f"{kind.value}_run.queued" for kind in RunKind}
    assert set(events.SENTENCES) - queued - found == set()  # and none is left over
    assert queued <= set(events.SENTENCES)


@pytest.mark.parametrize("action", sorted(events.SENTENCES))
def test_a_sentence_says_who_did_it_even_where_details_are_missing(action, session, cast):
    event = AuditEvent(actor=cast.manager, project_id=cast.project.id, action=action, details={})
    session.add(event)
    session.flush()
    sentence = events.tell(session, Page([event], None)).items[0].sentence
    assert cast.manager.name in sentence
    assert sentence[0].isupper()
    assert not re.search(r"None|\{|\}|\s{2}|: $", sentence)


@pytest.fixture
def said(session, cast):
    def tell(action, actor="manager", subject=None, **details):
        audit.record(
            session,
            getattr(cast, actor) if actor else None,
            action,
            project_id=cast.project.id,
            subject=subject,
            **details,
        )
        session.flush()
        return events.tell(session, queries.events(session, cast.project.id, None)).items[0].sentence

    return tell


def test_sentences_read_as_people_speak(said, cast, session):
    run = factories.run(session, cast.project)
    policy = factories.model(session, cast.project, name="tiny policy 3")
    base = cast.project.base_model
    manager, bob = cast.manager.name, cast.annotator.name
    assert said("sampling_run.queued", None, run, automatic=True) == f"Hone queued sampling run {run.id}"
    assert said("training_run.queued", None, run, method="ppo") == f"Hone queued PPO training, run {run.id}"
    assert said("training_run.queued", None, run, method="reward") == f"Hone queued reward training, run {run.id}"
    assert said("member.role_changed", name=bob, role="manager") == f"{manager} made {bob} a manager"
    assert said("member.role_changed", name=bob, role="annotator") == f"{manager} made {bob} an annotator"
    missed = "Missed 3 of the last 10 attention checks"
    assert said("member.paused", None, user_id=cast.annotator.id, reason=missed) == f"Hone paused {bob}: {missed}"
    assert said("member.paused", name=bob, reason="") == f"{manager} paused {bob}"
    assert said("items.withdrawn", items=[4, 5]) == f"{manager} withdrew 2 pairs"
    changed = said("project.settings_changed", section="queue", overlap=[1, 2], questions=[[], [{"id": "a"}]])
    assert changed == f"{manager} changed the queue settings: labels per pair from 1 to 2, questions"
    promoted = said("policy.promoted", subject=policy, previous=base.id, evaluation={"rate": 0.612}, confirmed=False)
    assert promoted == f"{manager} promoted tiny policy 3 in place of {base.name}: 61% blind wins"
    bare = said("policy.promoted", subject=policy, previous=base.id, evaluation=None, confirmed=True)
    assert bare == f"{manager} promoted tiny policy 3 in place of {base.name}, without evidence"
    back = said("policy.promoted", subject=base, previous=policy.id, rolled_back=True)
    assert back == f"{manager} rolled back from tiny policy 3 to {base.name}"
    imported = said("prompts.imported", source="import", imported=1200, duplicates=1, refused=0)
    assert imported == f"{manager} imported 1\u202f200 prompts, left out 1 duplicate"
    long = said("project.renamed", before="x" * 300, now="Short")
    assert long.endswith(" to Short")


def test_page_and_api_show_the_sentence_and_the_api_the_rest(as_, cast, session):
    audit.record(session, cast.manager, "checks.added", project_id=cast.project.id, count=10)
    session.flush()
    sentence = f"{cast.manager.name} added 10 attention checks"
    base = f"/projects/{cast.project.id}/audit"
    assert sentence in as_("manager").get(base).text
    assert "No entry fits this filter" in as_("manager").get(f"{base}?action=nothing.").text
    found = as_("manager").get(f"/api/v1{base}?action=checks.").json()
    assert [each["sentence"] for each in found["items"]] == [sentence]
    one = found["items"][0]
    assert (one["action"], one["actor_id"], one["details"]) == ("checks.added", cast.manager.id, {"count": 10})
    assert as_("annotator").get(f"/api/v1{base}").status_code == 403
    assert as_("manager").get("/api/v1/audit").status_code == 403
    assert sentence in {each["sentence"] for each in as_("admin").get("/api/v1/audit").json()["items"]}
    assert sentence in as_("admin").get("/system").text
