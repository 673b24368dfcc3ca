"""A shortcut before a route: asked first where it may be, and the route behind it finds the request untouched."""

from typing import Any

import pytest
from fastapi import Depends, FastAPI, Form, Request, Response
from starlette.testclient import TestClient

from app.web import shortcuts
from app.web.routing import Router

seen: list[str] = []


async def by_shortcut(request: Request) -> Response | None:
    form = await request.form()
    seen.append(f"shortcut {request.path_params['number']}")
    return Response(f"at once {form['word']}") if form["word"] == "short" else None


def needed() -> None:
    seen.append("needed")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(shortcuts, "_routes", [])
    router = Router()

    @router.post("/things/{number}", dependencies=[Depends(needed)])
    @shortcuts.first(by_shortcut)
    def change(number: int, word: str = Form("")) -> dict[str, Any]:
        return {"number": number, "word": word}

    app = FastAPI()
    app.include_router(router)
    app.add_middleware(shortcuts.Shortcuts)
    seen.clear()
    return TestClient(app)


def test_it_answers_without_the_route_and_what_that_depends_on(web: TestClient) -> None:
    assert web.post("/things/4", data={"word": "short"}).text == "at once short"
    assert seen == ["shortcut 4"]


def test_where_it_gives_none_the_route_reads_the_same_form(web: TestClient) -> None:
    assert web.post("/things/4", data={"word": "für Elise"}).json() == {"number": 4, "word": "für Elise"}
    assert seen == ["shortcut 4", "needed"]


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"word": "short" + "t" * shortcuts.LONGEST}},
        {"files": {"word": (None, "short")}},
        {"content": iter([b"word=", b"short"]), "headers": {"content-type": "application/x-www-form-urlencoded"}},
    ],
    ids=["long", "multipart", "of unknown length"],
)
def test_what_is_no_short_form_is_left_to_the_route(web: TestClient, sent: dict[str, Any]) -> None:
    assert web.post("/things/4", **sent).json()["word"].startswith("short")
    assert seen == ["needed"]


def test_other_methods_and_addresses_go_their_way(web: TestClient) -> None:
    assert web.get("/things/4").status_code == 405
    assert web.post("/things/4/more", data={"word": "short"}).status_code == 404
    assert seen == []
