"""The project with labels of every kind."""

import pytest
from sqlalchemy.orm import Session

from tests.app.conftest import Cast
from tests.exporting import All


@pytest.fixture
def everything(session: Session, cast: Cast) -> All:
    return All(session, cast.project, cast.annotator, cast.manager)
