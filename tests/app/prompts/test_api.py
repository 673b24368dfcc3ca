"""Prompts through the JSON API: the starter set, what came from chat, and what was withdrawn."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from app.models import PromptSource, PromptStatus
from tests import factories
from tests.app.conftest import Browser, Cast


def test_starter_prompts_come_once(as_: Callable[[str], Browser], cast: Cast) -> None:
    first, again = (post(as_("manager"), cast, "starter").json() for _ in range(2))
    assert first["imported"] > 300
    assert (again["imported"], again["duplicates"]) == (0, first["entries"])


def test_prompts_from_chat_are_added_or_rejected(as_: Callable[[str], Browser], cast: Cast, session: Session) -> None:
    waiting = {"status": PromptStatus.REVIEW, "source": PromptSource.CHAT}
    one, two, three = (factories.prompt(session, cast.project, f"{n}?", **waiting) for n in range(3))
    theirs = factories.prompt(session, cast.other, "Theirs?", **waiting)
    manager = as_("manager")
    added = post(manager, cast, "review", {"prompts": [one.id, two.id, theirs.id], "admit": True})
    assert added.json() == {"decided": 2}
    assert post(manager, cast, "review", {"prompts": [three.id], "admit": False}).json() == {"decided": 1}
    for prompt in (one, two, three, theirs):
        session.refresh(prompt)
    assert [each.status for each in (one, two, three, theirs)] == [
        PromptStatus.ACTIVE, PromptStatus.ACTIVE, PromptStatus.REFUSED, PromptStatus.REVIEW,
    ]  # fmt: skip
    for wrong in ({"prompts": [], "admit": True}, {"prompts": [one.id]}, {"prompts": [0], "admit": True}):
        assert post(manager, cast, "review", wrong).status_code == 422


def test_a_withdrawn_prompt_comes_back(as_: Callable[[str], Browser], cast: Cast, session: Session) -> None:
    prompt = factories.prompt(session, cast.project, status=PromptStatus.WITHDRAWN)
    manager = as_("manager")
    assert post(manager, cast, f"{prompt.id}/restore").json()["status"] == "active"
    assert post(manager, cast, f"{prompt.id}/restore").status_code == 409
    assert post(manager, cast, "999999/restore").status_code == 404


def post(browser: Browser, cast: Cast, path: str, body: Any = None) -> Any:
    address = f"/api/v1/projects/{cast.project.id}/prompts/{path}"
    return browser.post(address, json=body, headers={"X-CSRF-Token": browser.csrf()})
