"""JSONB is read and written through pydantic types only."""

from typing import Any

import pytest
from sqlalchemy import JSON, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from app.models import AuditEvent, Base
from app.models.project_settings import LabelSettings
from tests import factories


def test_every_jsonb_column_has_a_type() -> None:
    untyped = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, JSON)
    }
    assert untyped == set()


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "robot", "content": "Hi"}],
        [{"role": "user"}],
        [{"role": "user", "content": 3}],
        {"role": "user"},
        "Hi",
    ],
)
def test_what_is_no_conversation_is_not_written(session: Session, messages: Any) -> None:
    project = factories.project(session)
    with pytest.raises(StatementError, match="validation error"):
        factories.prompt(session, project, messages=messages)


def test_settings_come_back_as_they_were_set(session: Session) -> None:
    settings = LabelSettings(comment="required")
    project = factories.project(session, answer=settings)
    session.refresh(project)
    assert project.answer == settings
    project.answer = settings.model_copy(update={"comment": "off"})
    session.flush()
    stored = text("select answer ->> 'comment' from project where id = :id")
    assert session.execute(stored, {"id": project.id}).scalar_one() == "off"


def test_a_document_keeps_what_it_does_not_name(session: Session) -> None:
    project = factories.project(session)
    model = factories.model(session, project, metrics={"kl": 1, "fresh/figure": [1, None]})
    session.refresh(model)
    assert model.metrics == {"kl": 1.0, "fresh/figure": [1, None]}
    with pytest.raises(StatementError, match="kl"):
        factories.model(session, project, metrics={"kl": "far"})


def test_an_audit_event_takes_what_json_takes(session: Session) -> None:
    event = AuditEvent(action="a.b", details={"levels": [0, 3], "name": None, "role": factories.m.Role.MANAGER})
    session.add(event)
    session.flush()
    session.refresh(event)
    assert event.details == {"levels": [0, 3], "name": None, "role": "manager"}
