"""Talking to the policy: whole answers, streams, failures, consent, comparisons, deletion, permission."""

import json
import re

import pytest

from app.chat.forms import MAX_CHARACTERS
from app.db import task_session
from app.models import Project, PromptStatus, Thumb, TurnState
from tests.app.chat.conftest import Chat
from tests.app.conftest import Browser
from tests.inference_server import InferenceServer


def events(text: str) -> list[tuple[str, str]]:
    found = []
    for block in text.strip().split("\n\n"):
        lines = block.split("\n")
        name = next(line[7:] for line in lines if line.startswith("event: "))
        found.append((name, "\n".join(line[6:] for line in lines if line.startswith("data: "))))
    return found


def test_without_javascript_the_page_comes_with_the_whole_answer(anne: Browser, chat: Chat) -> None:
    assert anne.get(chat.url).status_code == 200
    answer = anne.submit(chat.url, content="Tell me\nabout trees")
    assert answer.status_code == 303, answer.text
    asked, answered = chat.turns()
    assert asked.content == "Tell me\nabout trees"
    assert answered.state is TurnState.DONE
    assert answered.model_id == chat.base_id
    assert answered.finish_reason in ("stop", "length")
    page = anne.get(answer.headers["location"])
    assert "Tell me about trees</h1>" in page.text
    assert answered.content.split()[0] in page.text
    assert "tiny base" in page.text
    assert answered.prompt_id is None
    assert chat.prompts() == []


def test_a_stream_starts_with_the_thread_carries_the_text_and_ends_with_the_rendered_answer(
    anne: Browser, chat: Chat
) -> None:
    response = anne.post(
        chat.url,
        data={"csrf_token": anne.csrf(), "content": "Go on, please"},
        headers={"Accept": "text/event-stream"},
    )
    assert response.headers["content-type"].startswith("text/event-stream")
    (first, start), *pieces, (last, end) = events(response.text)
    assert (first, last) == ("start", "end")
    assert {name for name, _ in pieces} == {"piece"}
    assert "data-writing" in json.loads(start)["thread"]
    assert json.loads(start)["url"] == f"{chat.url}/{chat.conversation().id}"
    _, answered = chat.turns()
    assert "".join(text for _, text in pieces) == answered.content
    assert "data-writing" not in end
    assert "data-chat-answer" in end


def test_a_promotion_holds_from_the_next_message_on(anne: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="One").headers["location"].split("#")[0]
    with task_session() as session:
        session.get_one(Project, chat.project_id).policy_id = chat.policy_id
    anne.submit(f"{url}/messages", content="Two")
    assert [turn.model_id for turn in chat.turns()] == [None, chat.base_id, None, chat.policy_id]


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream, application/json"])
def test_too_long_a_message_is_refused_with_a_sentence_and_nothing_is_lost(
    anne: Browser, chat: Chat, accept: str
) -> None:
    text = "x" * 100_000
    response = anne.post(chat.url, data={"csrf_token": anne.csrf(), "content": text}, headers={"Accept": accept})
    assert response.status_code == 413
    assert f"Your message has 100,000 characters; at most {MAX_CHARACTERS:,} can be sent" in response.text
    assert (text in response.text) == (accept == "text/html")
    assert chat.turns() == []


def test_a_conversation_beyond_the_context_leaves_out_the_oldest_turns_and_says_so(anne: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="zqx " * 450).headers["location"].split("#")[0]
    anne.submit(f"{url}/messages", content="qzx " * 450)
    anne.submit(f"{url}/messages", content="xqz " * 450)
    last = chat.turns()[-1]
    assert last.state is TurnState.DONE
    assert last.left_out in (2, 4)
    assert f"The {last.left_out} oldest turns did not fit" in anne.get(url).text


def test_one_message_beyond_the_context_fails_with_a_sentence(anne: Browser, chat: Chat) -> None:
    anne.submit(chat.url, content="zqx " * 3000)
    failed = chat.turns()[-1]
    assert failed.state is TurnState.FAILED
    assert "longer than this model can read" in (failed.error or "")


def test_when_the_server_is_away_the_answer_says_so_and_can_be_tried_again(
    anne: Browser, chat: Chat, inference: InferenceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.settings import get_settings

    monkeypatch.setenv("HONE_INFERENCE_URL", "http://127.0.0.1:9/v1")
    get_settings.cache_clear()
    url = anne.submit(chat.url, content="Hello").headers["location"].split("#")[0]
    failed = chat.turns()[-1]
    assert failed.state is TurnState.FAILED
    page = anne.get(url).text
    assert "The model server is starting or not running." in page
    assert "Try again" in page
    monkeypatch.setenv("HONE_INFERENCE_URL", f"{inference.url}/v1")
    get_settings.cache_clear()
    anne.submit(f"{url}/turns/{failed.id}/regenerate")
    asked, answered = chat.turns()
    assert asked.content == "Hello"
    assert answered.state is TurnState.DONE
    assert chat.comparisons() == []


def test_writing_again_offers_both_answers_and_keeps_the_choice(anne: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="Hello").headers["location"].split("#")[0]
    first = chat.turns()[-1]
    anne.submit(f"{url}/turns/{first.id}/regenerate")
    _, first, second = chat.turns()
    assert (first.kept, second.kept) == (False, True)
    page = anne.get(url).text
    assert "Which answer is better?" in page
    assert page.count('value="first"') == page.count('value="second"') == page.count('value="tie"') == 1
    assert anne.submit(f"{url}/turns/{second.id}/choose", choice="first").status_code == 303
    (comparison,) = chat.comparisons()
    assert (comparison.first_id, comparison.second_id, comparison.choice) == (first.id, second.id, "first")
    assert [turn.kept for turn in chat.turns()] == [True, True, False]
    page = anne.get(url).text
    assert "Which answer is better?" not in page
    assert "Another answer" in page
    anne.submit(f"{url}/messages", content="More")
    assert [turn.position for turn in chat.turns()] == [0, 1, 1, 2, 3]


def test_a_model_s_text_cannot_run_or_load_anything(anne: Browser, chat: Chat) -> None:
    anne.submit(chat.url, content="<script>alert(1)</script><b>bold</b>")
    bad = (
        "<script>alert(2)</script> <img src=x onerror=alert(3)> [go](javascript:alert(4)) ![i](https://evil.example/i.png)"
        "<iframe src=https://evil.example></iframe> <style>body{display:none}</style>"
    )
    with task_session() as session:
        session.merge(chat.turns()[-1]).content = bad
    page = anne.get(f"{chat.url}/{chat.conversation().id}").text
    thread = page[page.index('id="thread"') : page.index('id="composer"')]
    for tag in ("script", "img", "iframe", "style"):
        assert not re.search(rf"<{tag}\b", thread), tag
    assert 'href="javascript:' not in thread
    assert "&lt;script&gt;alert(1)" in thread
    assert "<b>" not in thread


def test_prompts_come_back_only_with_consent(anne: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="A secret").headers["location"].split("#")[0]
    assert chat.prompts() == []
    anne.submit(f"{url}/consent", consent="true")
    anne.submit(f"{url}/messages", content="Write to me at anne@example.org")
    (prompt,) = chat.prompts()
    assert prompt.status is PromptStatus.REVIEW
    assert prompt.flags == ["e-mail address"]
    assert [message["role"] for message in prompt.messages] == ["user", "assistant", "user"]
    assert chat.turns()[2].prompt_id == prompt.id
    anne.submit(f"{url}/consent")
    assert chat.prompts() == []


def test_the_same_prompt_is_collected_once(anne: Browser, chat: Chat) -> None:
    for _ in range(2):
        anne.submit(chat.url, content="What is a tree?", consent="true")
    (prompt,) = chat.prompts()
    assert [turn.prompt_id for turn in chat.turns() if turn.role == "user"] == [prompt.id, prompt.id]


def test_deleting_deletes(anne: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="Forget me", consent="true").headers["location"].split("#")[0]
    anne.submit(f"{url}/turns/{chat.turns()[-1].id}/regenerate")
    assert anne.submit(f"{url}/delete").status_code == 303
    assert chat.turns() == []
    assert chat.comparisons() == []
    assert chat.prompts() == []
    assert anne.get(url).status_code == 404


def test_deleting_takes_admitted_prompts_out_of_the_loop(anne: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="Keep asking this", consent="true").headers["location"].split("#")[0]
    with task_session() as session:
        session.merge(chat.prompts()[0]).status = PromptStatus.ACTIVE
    anne.submit(f"{url}/delete")
    assert [prompt.status for prompt in chat.prompts()] == [PromptStatus.WITHDRAWN]


def test_thumbs(anne: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="Hello").headers["location"].split("#")[0]
    answer = chat.turns()[-1].id
    anne.submit(f"{url}/turns/{answer}/thumb", thumb="down")
    assert chat.turns()[-1].thumb is Thumb.DOWN
    assert 'aria-pressed="true"' in anne.submit(f"{url}/turns/{answer}/thumb", htmx=True, thumb="up").text
    anne.submit(f"{url}/turns/{answer}/thumb", thumb="none")
    assert chat.turns()[-1].thumb is None
    assert anne.submit(f"{url}/turns/{answer}/thumb", thumb="sideways").status_code == 422


def test_a_conversation_is_its_owner_s_alone(anne: Browser, mary: Browser, otto: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="Private").headers["location"].split("#")[0]
    answer = chat.turns()[-1].id
    for other in (mary, otto):
        assert other.get(url).status_code == 404
        for path, fields in (
            ("messages", {"content": "x"}),
            ("delete", {}),
            ("consent", {"consent": "true"}),
            (f"turns/{answer}/thumb", {"thumb": "up"}),
            (f"turns/{answer}/regenerate", {}),
            (f"turns/{answer}/stop", {}),
            (f"turns/{answer}/choose", {"choice": "first"}),
        ):
            assert other.submit(f"{url}/{path}", **fields).status_code == 404, path
    assert len(chat.turns()) == 2
    assert "Private" not in mary.get(chat.url).text
    assert otto.get(chat.url).status_code == 404


def test_no_second_message_while_an_answer_is_written(anne: Browser, chat: Chat) -> None:
    url = anne.submit(chat.url, content="Hello").headers["location"].split("#")[0]
    with task_session() as session:
        session.merge(chat.turns()[-1]).state = TurnState.STREAMING
    response = anne.submit(f"{url}/messages", content="And this?")
    assert response.status_code == 409
    assert "still being written" in response.text
    assert "And this?" in response.text
    answer = chat.turns()[-1].id
    anne.submit(f"{url}/turns/{answer}/stop")
    assert chat.turns()[-1].state is TurnState.STOPPED
    assert anne.submit(f"{url}/messages", content="And this?").status_code == 303


def test_an_answer_whose_writer_died_ends_by_itself(anne: Browser, chat: Chat) -> None:
    from datetime import UTC, datetime, timedelta

    url = anne.submit(chat.url, content="Hello").headers["location"].split("#")[0]
    with task_session() as session:
        turn = session.merge(chat.turns()[-1])
        turn.state, turn.created_at = TurnState.STREAMING, datetime.now(UTC) - timedelta(minutes=11)
    assert "broke off" in anne.get(url).text
    assert chat.turns()[-1].state is TurnState.FAILED
