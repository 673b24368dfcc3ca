"""The commands of the Makefile: that each can begin where nothing is installed yet, and that the list has them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.resources import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
BENCHES = re.search(r"^BENCHES := (.+)$", MAKEFILE, re.MULTILINE)
COMMANDS = re.findall(r"^([a-z][a-z-]*):.*## ", MAKEFILE, re.MULTILINE)
COMMANDS += [f"bench-{name}" for name in BENCHES[1].split()] if BENCHES else []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_all_that_it_needs_a_rule_for(command: str, tmp_path: Path) -> None:
    """In a folder with what is in the repository and nothing that was installed."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    done = subprocess.run(["make", "--dry-run", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_each_bench_is_there() -> None:
    assert BENCHES
    assert [name for name in BENCHES[1].split() if not (ROOT / "bench" / f"{name}.py").exists()] == []
