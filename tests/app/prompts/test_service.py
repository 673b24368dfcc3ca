"""Import, review and withdrawal of prompts, through service and pages."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import models as m
from app.prompts import service
from app.prompts.reading import split_key, split_of
from app.web.errors import Conflict, Invalid, TooLarge
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]
GOOD = b'{"prompt": "Why?"}\n{"prompt": "How?"}\n{"prompt": "Why?"}\n'
MIXED = b'{"prompt": "Why?"}\nnonsense\n{"text": "How?"}\n'


def count(session: Session, project: m.Project) -> int:
    return session.scalar(select(func.count()).where(m.Prompt.project_id == project.id)) or 0


def run(session: Session, cast: Cast, rows: Any, **over: Any) -> service.ImportReport:
    return service.import_prompts(session, cast.project, cast.manager, rows, m.PromptSource.IMPORT, **over)


def test_a_clean_file_is_imported_and_duplicates_are_counted(session: Session, cast: Cast) -> None:
    report = run(session, cast, GOOD)
    assert (report.entries, report.imported, report.duplicates, report.clean) == (3, 2, 1, True)
    again = run(session, cast, GOOD)
    assert (again.new, again.imported, again.duplicates) == (0, 0, 3)
    assert count(session, cast.project) == 2
    assert run(session, Cast(cast.other, cast.project, *[cast.admin] * 5), GOOD).imported == 2


def test_a_bad_line_stops_all_until_the_good_ones_are_asked_for(session: Session, cast: Cast) -> None:
    report = run(session, cast, MIXED, layout="jsonl")
    assert (report.imported, report.new, [refusal.line for refusal in report.refused]) == (0, 2, [2])
    assert str(report.refused[0]).startswith("Line 2: ")
    assert count(session, cast.project) == 0
    assert run(session, cast, MIXED, layout="jsonl", accept_bad=True).imported == 2


def test_a_preview_imports_nothing(session: Session, cast: Cast) -> None:
    report = run(session, cast, GOOD, dry=True)
    assert (report.new, report.imported, len(report.preview)) == (2, 0, 2)
    assert count(session, cast.project) == 0


def test_a_withdrawn_prompt_stays_withdrawn_when_it_is_imported_again(session: Session, cast: Cast) -> None:
    run(session, cast, GOOD)
    prompt = session.scalars(select(m.Prompt).where(m.Prompt.project_id == cast.project.id)).first()
    assert prompt is not None
    prompt.status = m.PromptStatus.WITHDRAWN
    session.flush()
    assert run(session, cast, GOOD).imported == 0
    service.restore(session, cast.project, cast.manager, prompt.id)
    session.refresh(prompt)
    assert prompt.status is m.PromptStatus.ACTIVE
    with pytest.raises(Conflict):
        service.restore(session, cast.project, cast.manager, prompt.id)


def test_a_file_that_is_too_large_says_so(session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_FILE", 10)
    with pytest.raises(TooLarge, match="Split it"):
        run(session, cast, GOOD)
    monkeypatch.setattr(service, "MAX_FILE", 1000)
    monkeypatch.setattr(service, "MAX_PROMPTS", 1)
    with pytest.raises(TooLarge, match="at most 1"):
        run(session, cast, GOOD)


def test_rows_for_the_learning_library_are_the_active_ones_of_a_split(session: Session, cast: Cast) -> None:
    train = factories.prompt(session, cast.project)
    factories.prompt(session, cast.project, status=m.PromptStatus.WITHDRAWN)
    held = factories.prompt(session, cast.project, split=m.Split.HOLDOUT)
    rows = list(service.prompt_rows(session, cast.project, m.Split.TRAIN))
    assert rows == [{"id": train.id, "prompt": train.messages}]
    assert [row["id"] for row in service.prompt_rows(session, cast.project, None)] == [train.id, held.id]


def test_which_holdout_prompts_choose_is_in_their_hash(session: Session, cast: Cast) -> None:
    held = [
        factories.prompt(session, cast.project, split=m.Split.HOLDOUT, content_hash=f"{n:064x}") for n in range(0, 32)
    ]
    choosing = {prompt.id for prompt in held if prompt.chooses}
    assert [held.index(prompt) % 16 for prompt in held if prompt.id in choosing] == [0, 1, 2, 3, 4] * 2
    assert set(session.scalars(select(m.Prompt.id).where(m.Prompt.chooses))) == choosing  # as in Python
    rows = list(service.prompt_rows(session, cast.project, m.Split.HOLDOUT))
    assert {row["id"] for row in rows if row["chooses"]} == choosing


def test_a_prompt_from_chat_waits_for_review_with_its_flags(session: Session, cast: Cast) -> None:
    said = [{"role": "user", "content": "My name is Bo, write to bo@example.org or +44 20 7946 0958"}]
    prompt = service.add_from_chat(session, cast.project, cast.annotator, said)
    assert prompt.status is m.PromptStatus.REVIEW
    assert prompt.flags == ["e-mail address", "phone number", "name"]
    assert service.add_from_chat(session, cast.project, cast.manager, said).id == prompt.id
    assert list(service.prompt_rows(session, cast.project, None)) == []
    assert service.review(session, cast.project, cast.manager, [prompt.id], True) == 1
    session.refresh(prompt)
    assert prompt.status is m.PromptStatus.ACTIVE
    with pytest.raises(Invalid, match="user's turn"):
        service.add_from_chat(session, cast.project, cast.annotator, [*said, {"role": "assistant", "content": "Hi"}])


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("What is 12 times 24?", []),
        ("In 1969 people landed on the moon.", []),
        ("I live at 12 Baker Street", ["address"]),
        ("IBAN DE89 3704 0044 0532 0130 00", ["card or account number"]),
    ],
)
def test_what_is_flagged(text: str, flags: list[str]) -> None:
    found = service.personal_data([{"role": "user", "content": text}])
    assert [flag for flag in found if flag != "phone number"] == flags


def test_the_list_is_filtered(session: Session, cast: Cast, as_: As) -> None:
    factories.prompt(session, cast.project, 'The 100% "green" garden')
    factories.prompt(session, cast.project, "Another one", split=m.Split.HOLDOUT)
    browser, address = as_("manager"), f"/projects/{cast.project.id}/prompts"
    assert "Another one" not in browser.get(address, params={"search": '100% "green"'}).text
    assert "garden" in browser.get(address, params={"search": '100% "GREEN"'}).text
    assert "garden" not in browser.get(address, params={"split": "holdout", "status": ""}).text
    assert browser.get(address, params={"status": "nonsense"}).status_code == 422


def test_review_and_withdrawal_by_page(session: Session, cast: Cast, as_: As) -> None:
    waiting = factories.prompt(session, cast.project, status=m.PromptStatus.REVIEW, source=m.PromptSource.CHAT)
    foreign = factories.prompt(session, cast.other, status=m.PromptStatus.REVIEW)
    browser, address = as_("manager"), f"/projects/{cast.project.id}/prompts"
    assert f'value="{waiting.id}"' in browser.get(f"{address}/review").text
    assert browser.submit(f"{address}/review", decision="admit").status_code == 422
    browser.submit(f"{address}/review", decision="admit", prompt=[str(waiting.id), str(foreign.id)])
    session.expire_all()
    assert (waiting.status, foreign.status) == (m.PromptStatus.ACTIVE, m.PromptStatus.REVIEW)
    browser.submit(f"{address}/withdraw", prompt=str(waiting.id))
    session.expire_all()
    assert waiting.status is m.PromptStatus.WITHDRAWN
    assert browser.get(f"{address}/{foreign.id}").status_code == 404


def test_the_api_imports_and_names_what_it_refuses(session: Session, cast: Cast, client: Browser) -> None:
    headers, address = client.bearer(cast.manager), f"/api/v1/projects/{cast.project.id}/prompts"
    body: dict[str, Any] = {"prompts": ["Why?", {"messages": []}, {"prompt": "How?"}]}
    refused = client.post(address, json=body, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["refused"] == [{"entry": 2, "reason": "It has no messages."}]
    done = client.post(address, json=body | {"accept_bad": True}, headers=headers)
    assert (done.status_code, done.json()["imported"]) == (200, 2)
    listed = client.get(address, headers=headers).json()["items"]
    assert {row["messages"][0]["content"] for row in listed} == {"Why?", "How?"}
    assert client.post(address, content=json.dumps(body), headers=client.bearer(cast.annotator)).status_code == 403


def _sides(session: Session, project: m.Project) -> dict[str, m.Split]:
    """Side by the last turn."""
    return {
        each.messages[-1]["content"]: each.split for each in session.query(m.Prompt).filter_by(project_id=project.id)
    }


def test_what_is_asked_after_a_question_is_on_its_side(session: Session, cast: Cast) -> None:
    """50 chats of two turns: 14 or so lay on both sides when each prompt was hashed as a whole."""
    questions = [f"What about number {n}?" for n in range(50)]
    chats = [
        [
            {"role": "user", "content": question},
            {"role": "assistant", "content": "So."},
            {"role": "user", "content": f"Why {n}?"},
        ]
        for n, question in enumerate(questions)
    ]
    report = service.import_prompts(session, cast.project, None, [*questions, *chats], m.PromptSource.IMPORT)
    sides = _sides(session, cast.project)
    assert all(sides[question] is sides[f"Why {n}?"] for n, question in enumerate(questions))
    assert report.holdout == sum(side is m.Split.HOLDOUT for side in sides.values()) > 0


def test_a_prompt_that_is_there_stays_and_decides_for_its_twins(session: Session, cast: Cast) -> None:
    """Also where the hash would have it on the other side, as with prompts from before the first turn decided."""
    for n in range(20):
        text = f"Is {n} even?"
        side = (
            m.Split.TRAIN
            if split_of(split_key([{"role": "user", "content": text}])) is m.Split.HOLDOUT
            else m.Split.HOLDOUT
        )
        old = factories.prompt(session, cast.project, text, split=side)
        old.split_key = split_key(old.messages)
        session.flush()
        service.import_prompts(session, cast.project, None, [f"IS {n}  EVEN"], m.PromptSource.API)
        assert _sides(session, cast.project)[f"IS {n}  EVEN"] is side
        assert old.split is side


def test_another_project_decides_for_itself(session: Session, cast: Cast) -> None:
    other = factories.project(session)
    text = "Is this one even?"
    for side in m.Split:
        factories.prompt(
            session, other, f"{text} {side.value}", split=side, split_key=split_key([{"role": "user", "content": text}])
        )
    service.import_prompts(session, cast.project, None, [text], m.PromptSource.API)
    assert _sides(session, cast.project)[text] is split_of(split_key([{"role": "user", "content": text}]))
