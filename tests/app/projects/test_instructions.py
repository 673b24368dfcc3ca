"""Versions of the guidelines and of what is asked: when one is made, what it keeps, and how it is shown."""

from collections.abc import Callable
from threading import Thread

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import models as m
from app.annotation.comparison.settings import ComparisonSettings
from app.annotation.ranking.settings import RankingSettings
from app.db import get_engine
from app.models.project_settings import LabelSettings
from app.projects import instructions, service
from app.web.errors import Invalid, NotFound
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.asking import asking

As = Callable[[str], Browser]


def numbers(session: Session, project: m.Project) -> list[int]:
    own = m.Instructions.project_id == project.id
    return list(session.scalars(select(m.Instructions.number).where(own).order_by(m.Instructions.number)))


def test_a_new_project_has_its_first_version(session: Session) -> None:
    admin = factories.user(session, is_admin=True)
    project = service.create_project(session, admin, "New", factories.base_model(session), guidelines="Be kind.")
    assert (project.version, numbers(session, project)) == (1, [1])
    version = instructions.get(session, project, 1)
    assert version.guidelines == "Be kind."
    assert [*version.asked["kinds"]] == ["comparison"]
    assert "share" not in version.asked["kinds"]["comparison"]


def test_other_words_or_questions_make_another_version_and_the_same_again_are_the_same(
    session: Session, cast: Cast
) -> None:
    project, manager = cast.project, cast.manager
    seen = []

    def guidelines(words: str) -> None:
        service.change_guidelines(session, project, manager, words)
        seen.append(project.version)

    def settings(section: str, given: m.Base | object) -> None:
        service.change_settings(session, project, manager, section, given)  # type: ignore[arg-type]
        seen.append(project.version)

    guidelines("Be kind.")  # 1
    guidelines("Be kinder.")  # 2
    settings("answer", asking(questions=["Shorter?"]))  # 3
    settings("comparison", ComparisonSettings(levels=2))  # 4
    settings("comparison", ComparisonSettings(levels=2, share=50))  # how often it comes is no part of it
    settings("ranking", RankingSettings(share=50))  # 5: rankings are asked too
    settings("ranking", RankingSettings(share=70))
    settings("ranking", RankingSettings(share=0))
    guidelines("Be kind.")  # 6: these words with these questions were not there before
    guidelines("Be kinder.")  # 4 again
    assert seen == [1, 2, 3, 4, 4, 5, 5, 4, 6, 4]
    assert numbers(session, project) == [1, 2, 3, 4, 5, 6]


def test_a_new_question_needs_its_text_alone(session: Session, cast: Cast) -> None:
    told = LabelSettings.model_validate({"questions": [{"text": "Shorter?"}, "Kinder?"], "reasons": [{"text": "True"}]})
    service.change_settings(session, cast.project, cast.manager, "answer", told)
    assert [each.text for each in cast.project.answer.named] == ["Shorter?", "Kinder?", "True"]
    assert all(len(each.id) == 8 for each in cast.project.answer.named)


def test_what_a_version_holds_stays_when_the_settings_change(session: Session, cast: Cast) -> None:
    project = cast.project
    service.change_settings(session, project, cast.manager, "answer", asking(questions=["Shorter?"], reasons=["True"]))
    (question,), (reason,) = project.answer.questions, project.answer.reasons
    renamed = project.answer.model_copy(update={"questions": [question.model_copy(update={"text": "Briefer?"})]})
    service.change_settings(session, project, cast.manager, "answer", renamed)
    session.expire_all()
    first, second = (instructions.get(session, project, number).asked for number in (1, 2))
    assert first["questions"] == [{"id": question.id, "text": "Shorter?"}]
    assert second["questions"] == [{"id": question.id, "text": "Briefer?"}]
    assert first["reasons"] == second["reasons"] == [{"id": reason.id, "text": "True"}]


def test_two_who_change_it_at_once_make_a_version_with_both_changes(database: str) -> None:
    with Session(get_engine(), expire_on_commit=False) as session, session.begin():
        project = factories.project(session, guidelines="Be kind.")
        manager = factories.user(session)
    first = Session(get_engine(), expire_on_commit=False)
    service.change_guidelines(first, first.get_one(m.Project, project.id), manager, "Be kinder.")

    def ask() -> None:
        with Session(get_engine()) as second, second.begin():
            mine = second.get_one(m.Project, project.id)
            service.change_settings(second, mine, manager, "answer", asking(questions=["Shorter?"]))

    other = Thread(target=ask)
    other.start()
    # Each look in a transaction of its own: within one, what sessions do is what the first look saw.
    with get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        waiting = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = :name")
        while not connection.scalar(waiting, {"name": get_engine().url.database}):
            assert other.is_alive()
    first.commit()
    first.close()
    other.join()
    with Session(get_engine()) as session:
        project = session.get_one(m.Project, project.id)
        assert project.version == 2
        version = instructions.get(session, project, 2)
        assert (version.guidelines, version.asked["questions"][0]["text"]) == ("Be kinder.", "Shorter?")
        assert instructions.get(session, project, 1).asked["questions"] == []


def test_what_changed_is_told_word_by_word_and_setting_by_setting(session: Session, cast: Cast) -> None:
    project, manager = cast.project, cast.manager
    service.change_guidelines(session, project, manager, "Be kind and brief.")
    service.change_settings(session, project, manager, "answer", asking(questions=["Shorter?"], comment="required"))
    service.change_guidelines(session, project, manager, "Be kind and clear.")
    service.change_settings(session, project, manager, "answer", asking(levels=2))
    first, second, third, fourth = (instructions.get(session, project, number) for number in range(1, 5))
    asked = instructions.changes(first, second)
    assert asked.guidelines is None
    assert asked.asked == [("Question", "", "Shorter?"), ("Comment", "optional", "required")]
    words = instructions.changes(second, third)
    assert words.asked == []
    assert words.guidelines is not None
    assert [(piece.change, piece.text) for piece in words.guidelines if piece.change != "kept"] == [
        ("removed", "brief"), ("added", "clear"),
    ]  # fmt: skip
    assert instructions.changes(third, fourth).asked == [
        ("Comment", "required", "optional"),
        ("Comparison: Scale", "Which one is better", "Slightly or much better"),
        ("Question", "Shorter?", ""),
    ]


def test_a_kind_that_is_not_known_here_any_more_is_told_by_its_names() -> None:
    asked = m.Asked(questions=[], reasons=[], comment="off", kinds={"stars": {"most": 5, "half": True}})
    assert [*instructions.lines(asked).values()] == [
        ("Comment", "not asked for"), ("stars: most", "5"), ("stars: half", "yes"),
    ]  # fmt: skip


def test_pages_and_calls_show_the_versions_to_every_member(session: Session, cast: Cast, as_: As) -> None:
    for words in ("Be **kind** and brief.", "Be **kind** and clear <b>."):
        service.change_guidelines(session, cast.project, cast.manager, words)
    url = f"/projects/{cast.project.id}/instructions"
    browser = as_("annotator")
    assert "Version 2" in browser.get(f"/projects/{cast.project.id}/guidelines").text
    listed = browser.get(url).text
    assert listed.index("Version 2") < listed.index("in use") < listed.index("Version 1")
    page = browser.get(f"{url}/2").text
    assert "<del>brief</del>" in page
    assert "<ins>clear &lt;b&gt;</ins>" in page
    assert "<strong>kind</strong>" in page
    assert "What changed" not in browser.get(f"{url}/1").text
    for missing in (3, "99999999999"):
        assert browser.get(f"{url}/{missing}").status_code == 404
    api = f"/api/v1/projects/{cast.project.id}"
    headers = browser.bearer(cast.annotator)
    found = browser.get(f"{api}/instructions", headers=headers).json()["items"]
    assert [(each["number"], each["present"]) for each in found] == [(2, True), (1, False)]
    assert browser.get(f"{api}/instructions/1", headers=headers).json() == found[1]
    assert found[1]["guidelines"] == "Be **kind** and brief."
    assert browser.get(api, headers=headers).json()["instructions"] == 2
    assert as_("outsider").get(f"{url}/1").status_code == 404


def test_a_version_of_another_project_is_none_of_this_one(session: Session, cast: Cast) -> None:
    service.change_guidelines(session, cast.other, cast.colleague, "Other words.")
    with pytest.raises(NotFound, match="no such version"):
        instructions.get(session, cast.project, 1)
    with pytest.raises(Invalid, match="no version 1"):
        instructions.seen(session, cast.project, 1)
    assert instructions.seen(session, cast.project, None) is None
