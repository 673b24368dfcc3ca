"""Pages of projects: the list, settings, guidelines, creation, audit."""

import re

import pytest
from sqlalchemy import select

from app.models import AuditEvent, ModelState, Project, Prompt, Role
from app.projects import service
from tests import factories
from tests.asking import asking


@pytest.mark.parametrize("page", ["people", "settings", "audit", "guidelines", "guidelines/edit"])
def test_a_managers_pages_name_the_project_and_mark_the_place(as_, cast, page):
    answer = as_("manager").get(f"/projects/{cast.project.id}/{page}")
    assert answer.status_code == 200
    assert "Ours" in answer.text
    assert answer.text.count("<h1>") == 1
    assert 'aria-current="page"' in answer.text


def test_the_list_shows_what_one_may_enter(as_, cast, session):
    factories.member(session, cast.project, cast.colleague, Role.ANNOTATOR)
    shown = as_("colleague").get("/").text
    assert "Ours" in shown
    assert "Theirs" in shown
    assert "Theirs" not in as_("manager").get("/").text
    assert "as administrator" in as_("admin").get("/").text
    assert "You are in no project yet" in as_("outsider").get("/").text


def test_an_annotator_of_one_project_goes_straight_there(as_, cast):
    assert as_("annotator").get("/").headers["location"] == f"/projects/{cast.project.id}"


def test_archived_projects_leave_the_list(as_, cast):
    browser = as_("manager")
    browser.submit(f"/projects/{cast.project.id}/settings/archive")
    assert "Ours" not in browser.get("/").text.replace("Colleague", "")
    assert "Ours" in browser.get("/?archived=true").text


def test_creating_a_project(as_, session, monkeypatch):
    page = as_("manager").get("/projects/new").text
    guidelines = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.S)[1]
    assert guidelines.startswith("Read the conversation")
    answer = as_("manager").submit(
        "/projects/new", name="Poems", guidelines="Rhyme.", base_model="tiny:7", starter_prompts="true"
    )
    project = session.scalars(select(Project).where(Project.name == "Poems")).one()
    assert answer.headers["location"] == f"/projects/{project.id}"
    assert (project.guidelines, project.base_model.source) == ("Rhyme.", "tiny:7")
    assert project.base_model.state is ModelState.PREPARING
    assert len(session.scalars(select(Prompt).where(Prompt.project_id == project.id)).all()) >= 240
    assert [(m.user.name, m.role) for m in project.members] == [("Manager", Role.MANAGER)]


def test_a_new_project_says_what_comes_next(as_, session):
    browser = as_("manager")

    def told(**given):
        made = browser.submit("/projects/new", guidelines="", **given)
        text = browser.get(made.headers["location"]).text
        return re.search(r'<p class="notice ok">(.*?)</p>', text)[1]

    assert told(name="A", base_model="tiny:7") == "A is ready. Import prompts to have the first pairs sampled."
    said = told(name="B", base_model="tiny:7", starter_prompts="true")
    assert said == "B is ready. Its first pairs are sampled as soon as tiny 7 is prepared."
    session.scalars(select(Project).where(Project.name == "B")).one().base_model.state = ModelState.READY
    session.flush()
    said = told(name="C", base_model="tiny:7", starter_prompts="true")
    assert said == "C is ready. Its first pairs are being sampled."


def test_creating_a_project_without_starter_prompts_by_the_api(client, cast, session):
    body = {"name": "Bare", "base_model": "tiny:8", "starter_prompts": False, "queue": {"overlap": 3}}
    answer = client.post("/api/v1/projects", json=body, headers=client.bearer(cast.admin))
    project = session.get_one(Project, answer.json()["id"])
    assert answer.json()["url"] == f"http://localhost/projects/{project.id}"
    assert (project.overlap, project.queue_depth) == (3, 50)
    assert session.scalars(select(Prompt).where(Prompt.project_id == project.id)).all() == []


def test_a_new_project_begins_with_reasons_to_skip(client, cast, session):
    def skip_reasons(**asked):
        body = {"name": "P", "base_model": "tiny:7", "starter_prompts": False, "answer": asked}
        made = client.post("/api/v1/projects", json=body, headers=client.bearer(cast.manager))
        assert made.status_code == 201, made.text
        return [reason.text for reason in session.get_one(Project, made.json()["id"]).answer.skip_reasons]

    assert skip_reasons() == skip_reasons(comment="off") == [*service.DEFAULT_SKIP_REASONS]
    assert skip_reasons(skip_reasons=[]) == []
    assert skip_reasons(skip_reasons=["Latin"]) == ["Latin"]


@pytest.mark.parametrize("who", ["annotator", "outsider"])
def test_only_managers_and_administrators_create_projects(as_, client, cast, session, who):
    before = len(session.scalars(select(Project)).all())
    assert as_(who).get("/projects/new").status_code == 403
    assert as_(who).submit("/projects/new", name="Mine", base_model="tiny:1").status_code == 403
    answer = client.post("/api/v1/projects", json={"name": "Mine"}, headers=client.bearer(getattr(cast, who)))
    assert answer.status_code == 403
    assert len(session.scalars(select(Project)).all()) == before


def test_a_refused_form_keeps_what_was_typed(as_, session):
    answer = as_("manager").submit("/projects/new", name="  ", guidelines="<b>Kept</b> & safe", base_model="x\ny")
    assert answer.status_code == 422
    assert "&lt;b&gt;Kept&lt;/b&gt; &amp; safe" in answer.text
    assert 'id="error-name"' in answer.text
    assert 'id="error-base_model"' in answer.text
    assert 'href="#f-name"' in answer.text
    assert not re.search(r'id="f-starter_prompts"[^>]* checked', answer.text)


SAMPLING = {"strategy": "mixed", "temperature": "1", "top_p": "1", "top_k": "0", "max_new_tokens": "9"}
QUEUE = {"overlap": "1", "check_percent": "0", "control_percent": "0", "queue_depth": "5", "lease_minutes": "5"}


def sent_answer(**over):
    reasons = {"reasons[new-0]": "more correct", "reasons[new-1]": " safer ", "reasons[new-2]": "safer"}
    return {"comment": "required"} | reasons | over


COMPARISON = {"share": "100", "levels": "3", "tie": "true"}


def test_answer_settings_are_stored_as_their_form(as_, cast, session):
    asked = ("Which is kinder?", "", "Which is truer? ", "Which is kinder?")
    given = sent_answer(**{f"questions[new-{n}]": text for n, text in enumerate(asked)})
    answer = as_("manager").submit(f"/projects/{cast.project.id}/settings/answer", **given)
    assert answer.status_code == 303
    assert as_("manager").submit(f"/projects/{cast.project.id}/settings/comparison", **COMPARISON).status_code == 303
    session.refresh(cast.project)
    now = cast.project.answer
    assert now.kinds == asking(levels=3, tie=True, both_bad=False, submit_on_choice=False).kinds
    assert [each.text for each in now.reasons] == ["more correct", "safer"]
    assert [each.text for each in now.questions] == ["Which is kinder?", "Which is truer?"]
    assert now.comment == "required"
    ids = [each.id for each in (*now.questions, *now.reasons)]
    assert len(set(ids)) == 4
    assert all(re.fullmatch("[0-9a-f]{8}", id_) for id_ in ids)
    changed = select(AuditEvent).where(AuditEvent.action == "project.settings_changed").order_by(AuditEvent.id)
    common, comparison = session.scalars(changed)
    assert common.details["comment"] == ["optional", "required"]
    assert (comparison.details["section"], comparison.details["levels"]) == ("comparison", [0, 3])
    page = as_("manager").get(f"/projects/{cast.project.id}/settings").text
    assert '<option value="3" selected>' in page
    for name, given in (("questions", now.questions), ("reasons", now.reasons)):
        for each in given:
            assert f'name="{name}[{each.id}]" value="{each.text}"' in page


@pytest.mark.parametrize(
    ("part", "fields", "wrong"),
    [
        ("comparison", COMPARISON | {"levels": "5"}, "levels"),
        ("comparison", COMPARISON | {"share": "101"}, "share"),
        ("comparison", COMPARISON | {"share": "0"}, "share"),  # then nothing would be asked
        ("answer", sent_answer(**{f"reasons[new-{n}]": f"reason {n}" for n in range(13)}), "reasons"),
        ("answer", sent_answer(**{f"questions[new-{n}]": f"Question {n}?" for n in range(5)}), "questions"),
        ("answer", sent_answer(**{"questions[guess]": "Which?"}), "questions"),
        ("answer", sent_answer(comment="maybe"), "comment"),
        ("sampling", SAMPLING | {"temperature": "0"}, "temperature"),
        ("sampling", SAMPLING | {"temperature": "nan"}, "temperature"),
        ("sampling", SAMPLING | {"max_new_tokens": "1e9"}, "max_new_tokens"),
        ("automation", {"labels_between_rewards": "9"}, "labels_between_rewards"),
        ("automation", {"labels_between_rewards": "many"}, "labels_between_rewards"),
        ("queue", QUEUE | {"overlap": "0"}, "overlap"),
        ("queue", QUEUE | {"check_percent": "51"}, "check_percent"),
        ("queue", QUEUE | {"queue_depth": ""}, "queue_depth"),
        ("queue", QUEUE | {"check_window": "0"}, "check_window"),
        ("queue", QUEUE | {"check_window": "1001"}, "check_window"),
        ("queue", QUEUE | {"check_misses": "0"}, "check_misses"),
        ("queue", QUEUE | {"check_window": "4", "check_misses": "5"}, "check_misses"),
    ],
)
def test_wrong_settings_are_refused_beside_their_field(as_, cast, session, part, fields, wrong):
    before = service.settings_of(cast.project, part)
    answer = as_("manager").submit(f"/projects/{cast.project.id}/settings/{part}", **fields)
    assert answer.status_code == 422
    assert re.search(rf'id="error-({part}-)?{wrong}">.+?</p>', answer.text)
    assert answer.text.count('class="error"') == 1
    if wrong not in ("reasons", "questions"):
        assert f'value="{fields[wrong]}"' in answer.text or wrong in ("levels", "comment")
    session.refresh(cast.project)
    assert service.settings_of(cast.project, part) == before


def test_queue_settings_are_given_in_percent(as_, cast, session):
    answer = as_("manager").submit(
        f"/projects/{cast.project.id}/settings/queue",
        overlap="2", check_percent="7.5", control_percent="100", queue_depth="80", lease_minutes="10",
        check_window="20", check_misses="4",
    )  # fmt: skip
    assert answer.status_code == 303
    session.refresh(cast.project)
    assert (cast.project.check_share, cast.project.control_share, cast.project.overlap) == (0.075, 1.0, 2)
    assert (cast.project.check_window, cast.project.check_misses) == (20, 4)
    page = as_("manager").get(f"/projects/{cast.project.id}/settings").text
    assert 'value="7.5"' in page
    assert re.search(r'name="check_misses" type="number" value="4"', page)


def test_an_unknown_part_or_field_of_the_settings_is_refused(as_, cast):
    base = f"/projects/{cast.project.id}/settings"
    assert as_("manager").submit(f"{base}/secrets", x="1").status_code == 404
    assert as_("manager").submit(f"{base}/automation", labels_between_rewards="10", admin="true").status_code == 422


def test_guidelines_are_previewed_saved_and_shown_without_danger(as_, cast, session):
    base = f"/projects/{cast.project.id}/guidelines"
    text = "# Choose\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) **bold**"
    preview = as_("manager").submit(f"{base}/preview", htmx=True, guidelines=text)
    assert "<strong>bold</strong>" in preview.text
    assert "<html" not in preview.text
    assert "<script" not in preview.text
    assert as_("manager").submit(base, guidelines=text).status_code == 303
    page = as_("annotator").get(base).text
    assert "<strong>bold</strong>" in page
    assert "<a " not in re.search(r'<div class="prose">.*?</div>', page, re.S)[0]
    assert as_("manager").submit(base, guidelines="x" * 50_001).status_code == 422
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "project.guidelines_changed")).one()
    assert event.details == {"before": ""}


def test_the_audit_trail_is_the_projects_own(as_, cast):
    as_("manager").submit(f"/projects/{cast.project.id}/settings/name", name="<i>Renamed</i>")
    page = as_("manager").get(f"/projects/{cast.project.id}/audit").text
    assert "project.renamed" in page
    assert "&lt;i&gt;Renamed&lt;/i&gt;" in page
    assert "project.renamed" not in as_("colleague").get(f"/projects/{cast.other.id}/audit").text
    assert "No entry fits this filter" in as_("manager").get(f"/projects/{cast.project.id}/audit?action=member.").text


def test_the_api_reads_and_changes_a_project(client, cast):
    header, url = client.bearer(cast.manager), f"/api/v1/projects/{cast.project.id}"
    detail = client.get(url, headers=header).json()
    assert (detail["name"], detail["role"], detail["queue"]["overlap"]) == ("Ours", "manager", 1)
    body = {"name": "Ours too", "sampling": {"temperature": 0.7}}
    changed = client.patch(url, json=body, headers=header).json()
    assert (changed["name"], changed["sampling"]["temperature"], changed["guidelines"]) == ("Ours too", 0.7, "")
    refused = client.patch(url, json={"sampling": {"temperature": -1}, "colour": "red"}, headers=header)
    assert refused.status_code == 422
    assert set(refused.json()["errors"]) == {"sampling.temperature", "colour"}
    assert client.patch(url, json={"name": "No"}, headers=client.bearer(cast.annotator)).status_code == 403
    assert [one["name"] for one in client.get("/api/v1/projects", headers=header).json()["items"]] == ["Ours too"]
