"""What the tests of commands share."""

import pytest

from app.db import task_session
from tests import factories


@pytest.fixture
def project(database: str) -> int:
    """A project with its administrator, in a database that other processes see."""
    with task_session() as session:
        project = factories.project(session)
        factories.user(session, email="boss@example.org", is_admin=True)
        return int(project.id)
