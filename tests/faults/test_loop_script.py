"""docs/loop.py as a reader would run it: against a `hone up` of its own, with a token, and nothing else of Hone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.models import Model, Project, Run, User
from tests.faults.platform import Platform

SCRIPT = Path(__file__).parents[2] / "docs" / "loop.py"


@pytest.mark.timeout(900)
def test_the_whole_loop_by_the_client(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "data", "tiny:0").start()
    try:
        with platform.session() as session:
            boss = session.query(User).one()
            _, token = accounts.create_token(
                session, boss, "loop", [Scope.READ, Scope.LABEL, Scope.MANAGE, Scope.ADMIN]
            )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HONE_")}
        done = subprocess.run(
            [sys.executable, str(SCRIPT)],
            env=environment | {"HONE_URL": platform.url, "HONE_TOKEN": token},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=800,
        )
        assert done.returncode == 0, done.stdout + done.stderr[-2000:] + "\n".join(platform.lines[-30:])
        rows = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
        assert len(rows) >= 80
        assert all(row["chosen"][-1]["role"] == row["rejected"][-1]["role"] == "assistant" for row in rows)
        with platform.session() as session:
            project = session.query(Project).one()
            policy = session.get_one(Model, project.policy_id)
            assert session.get_one(Run, policy.run_id).method == "ppo"
        assert f"{policy.name}: " in done.stdout
    finally:
        platform.stop()
