"""`hone evaluations`: models are compared from a shell as from the page."""

import json

import pytest

from app import models as m
from app.db import task_session
from app.settings import get_settings
from tests import factories
from tests.workers.cli.test_cli import hone, refused


@pytest.fixture
def models(database: str) -> tuple[int, list[int]]:
    """A project, two policies and the base model, with files; and a holdout prompt."""
    with task_session() as session:
        project = factories.project(session)
        factories.user(session, email="boss@example.org", is_admin=True)
        found = [factories.model(session, project, name=f"Policy {n}") for n in (1, 2)] + [project.base_model]
        for model in found:
            folder = get_settings().store / str(model.artifact)
            folder.mkdir(parents=True)
            (folder / "config.json").write_text("{}")
        factories.prompt(session, project, split=m.Split.HOLDOUT)
        return project.id, [model.id for model in found]


def test_three_models_are_ranked_from_a_shell(models: tuple[int, list[int]]) -> None:
    project, (one, two, base) = models
    asked = ("--against", str(two), "--against", str(base), "--comparisons", "3", "--overlap", "2")
    done = hone("evaluations", "start", str(one), "-p", str(project), *asked)
    assert "is queued" in done.stdout, done.stderr
    run_id = int(done.stdout.split()[1])
    with task_session() as session:
        run = session.get_one(m.Run, run_id)
        config = run.asked(m.EvaluationConfig)
        assert (run.model_id, run.baseline_id, config.other_ids) == (one, two, [base])
        assert (config.comparisons, config.overlap) == (3, 2)
    shown = hone("evaluations", "show", str(run_id), "-p", str(project)).stdout
    assert [line.split()[:2] for line in shown.splitlines()[1:3]] == [["Policy", "1"], ["Policy", "1"]]
    assert "0 of 0" in shown
    rows = [
        json.loads(line)
        for line in hone("evaluations", "show", str(run_id), "-p", str(project), "--json").stdout.splitlines()
    ]
    assert [(row["model_id"], row["other_id"]) for row in rows] == [(one, two), (one, base), (two, base)]
    assert {(row["rate"], row["low"], row["high"]) for row in rows} == {(None, 0.0, 1.0)}


def test_what_cannot_be_compared_is_refused_with_a_sentence(models: tuple[int, list[int]]) -> None:
    project, (one, two, _) = models
    start = ("evaluations", "start", str(one), "-p", str(project))
    assert "Choose different policies" in refused(*start, "--against", str(two), "--against", str(one))
    assert "overlap" in refused(*start, "--overlap", "0")
    with task_session() as session:
        run_id = factories.run(session, session.get_one(m.Project, project)).id
    assert f"Run {run_id} is no evaluation" in refused("evaluations", "show", str(run_id), "-p", str(project))
