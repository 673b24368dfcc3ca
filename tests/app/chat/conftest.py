"""Chat over the real application, a database of its own and a real inference server with tiny models."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from app.db import task_session
from app.models import Conversation, Model, Project, Prompt, Role, Turn, TurnComparison, User
from tests import factories
from tests.app.conftest import Browser
from tests.inference_server import ENDLESS, FIRST, SECOND, InferenceServer, make_store, serving


@pytest.fixture(scope="session")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServer]:
    with serving(make_store(tmp_path_factory.mktemp("inference") / "store")) as server:
        yield server


@dataclass
class Chat:
    """A project whose base model is models/1 and whose one policy is models/2, and its people."""

    project_id: int
    base_id: int
    policy_id: int
    manager: User
    annotator: User
    outsider: User

    @property
    def url(self) -> str:
        return f"/projects/{self.project_id}/chat"

    def never_end(self, most: int = 8000) -> None:
        """Have the base model write on until it has written `most` tokens."""
        with task_session() as session:
            session.get_one(Model, self.base_id).artifact = ENDLESS
            project = session.get_one(Project, self.project_id)
            project.sampling = project.sampling.model_copy(update={"max_new_tokens": most})

    def turns(self) -> list[Turn]:
        with task_session() as session:
            return list(session.scalars(select(Turn).order_by(Turn.position, Turn.variant)))

    def conversation(self) -> Conversation:
        with task_session() as session:
            return session.scalars(select(Conversation)).one()

    def prompts(self) -> list[Prompt]:
        with task_session() as session:
            return list(session.scalars(select(Prompt).order_by(Prompt.id)))

    def comparisons(self) -> list[TurnComparison]:
        with task_session() as session:
            return list(session.scalars(select(TurnComparison)))


@pytest.fixture
def chat(database: str, inference: InferenceServer, monkeypatch: pytest.MonkeyPatch) -> Chat:
    from app import settings

    monkeypatch.setenv("HONE_INFERENCE_URL", f"{inference.url}/v1")
    monkeypatch.setenv("HONE_STORE_DIR", str(inference.store))
    settings.get_settings.cache_clear()
    with task_session() as session:
        base = factories.base_model(session, artifact=FIRST, name="tiny base")
        sampling = {"strategy": "mixed", "temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_new_tokens": 40}
        project = factories.project(session, base_model_id=base.id, sampling=sampling)
        policy = factories.model(session, project, artifact=SECOND, name="tiny policy")
        people = [factories.user(session, name=name) for name in ("Mary", "Anne", "Otto")]
        factories.member(session, project, people[0], Role.MANAGER)
        factories.member(session, project, people[1], Role.ANNOTATOR)
    return Chat(project.id, base.id, policy.id, *people)


def browser(chat: Chat, user: User) -> Iterator[Browser]:
    from app.main import app
    from app.web.csrf import SESSION_COOKIE
    from app.web.signing import digest

    token = uuid4().hex
    with task_session() as session:
        expires = datetime.now(UTC) + timedelta(hours=1)
        factories.web_session(session, user, token_hash=digest(token), expires_at=expires)
    with Browser(app, base_url="http://localhost", follow_redirects=False) as client:
        client.cookies.set(SESSION_COOKIE, token, domain="localhost.local", path="/")
        yield client


@pytest.fixture
def anne(chat: Chat) -> Iterator[Browser]:
    """The annotator's browser."""
    yield from browser(chat, chat.annotator)


@pytest.fixture
def mary(chat: Chat) -> Iterator[Browser]:
    """The manager's browser."""
    yield from browser(chat, chat.manager)


@pytest.fixture
def otto(chat: Chat) -> Iterator[Browser]:
    """An outsider's browser."""
    yield from browser(chat, chat.outsider)
