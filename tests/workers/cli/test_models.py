"""`hone models` and `hone base-models`: what the pages of models do, from a shell."""

import json
import tarfile
from pathlib import Path

import pytest

from app.db import task_session
from app.models import Model, ModelState, Project
from app.settings import get_settings
from tests import factories
from tests.workers.cli.test_cli import hone, refused


@pytest.fixture
def project_id(database: str) -> int:
    with task_session() as session:
        factories.user(session, is_admin=True)
        return int(factories.project(session, name="Ours").id)


def stored(model_id: int) -> None:
    """Put the files of a model into the store."""
    with task_session() as session:
        folder = get_settings().store / str(session.get_one(Model, model_id).artifact)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")


def test_from_registering_to_retiring(project_id: int, tmp_path: Path) -> None:
    here = ("-p", str(project_id))
    theirs = ("models", "register", "org/rm", "--kind", "reward", *here)
    assert "Theirs, is preparing." in hone(*theirs, "--name", "Theirs").stdout
    assert "has this model already: Theirs" in refused(*theirs)
    [reward, base] = map(json.loads, hone("models", "list", *here, "--json").stdout.splitlines())
    assert (reward["kind"], reward["source"], reward["state"]) == ("reward", "org/rm", "preparing")
    assert "A run needs Theirs" in refused("models", "retire", str(reward["id"]), *here)

    stored(base["id"])
    hone("models", "download", str(base["id"]), *here, "-o", str(tmp_path / "base.tar"))
    with tarfile.open(tmp_path / "base.tar") as tar:
        [member] = tar.getnames()
    assert member.endswith("/config.json")
    assert "is the base model of Ours" in refused("base-models", "retire", str(base["id"]))
    assert "is preparing" in hone("base-models", "register", "tiny:6").stdout
    with task_session() as session:
        session.get_one(Project, project_id).base_model = session.query(Model).filter_by(source="tiny:6").one()
    assert "is retired." in hone("base-models", "retire", str(base["id"])).stdout
    assert "tiny:6" in hone("base-models", "list").stdout
    with task_session() as session:
        assert session.get_one(Model, base["id"]).state is ModelState.ARCHIVED


def test_what_is_wrong_is_a_sentence(project_id: int) -> None:
    here = ("--kind", "reward", "-p", str(project_id))
    assert "no such model" in refused("models", "retire", "99", "-p", str(project_id))
    assert "Models are read from the folders" in refused("models", "register", "/etc", *here)
    with task_session() as session:
        manager = factories.user(session, email="manager@example.org")
        factories.member(session, session.get_one(Project, project_id), manager, role="manager")
    assert "nly an administrator" in refused("models", "register", "org/x", *here, "--as", "manager@example.org")
