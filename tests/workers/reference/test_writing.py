"""What is written from the API's document."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workers.reference.client_code import client_operations
from workers.reference.writing import ROOT

WRITTEN = ("hone_client/models.py", "hone_client/operations.py", "docs/api.md")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The source, of which what is written, and who writes it, are copies."""
    for each in ROOT.iterdir():
        if each.name in ("hone_client", "docs", "workers"):
            shutil.copytree(each, tmp_path / each.name, ignore=shutil.ignore_patterns("__pycache__", "images"))
        elif each.name in ("app", "rlhf", "formats", "templates", "static", "pyproject.toml"):
            (tmp_path / each.name).symlink_to(each)
    return tmp_path


def reference(tree: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.reference", *more], cwd=tree, capture_output=True, text=True, check=False
    )


def test_a_call_whose_command_is_there_before_its_method_is_written(tree: Path) -> None:
    client, page = tree / "hone_client" / "operations.py", tree / "docs" / "api.md"
    whole = client.read_text()
    without, count = re.subn(r"    def list_flags\(.*?(?=\n    def )", "", whole, flags=re.DOTALL)
    assert count == 1
    client.write_text(without)
    page.unlink()
    checked = reference(tree, "--check")
    assert (checked.returncode, "Traceback" in checked.stderr) == (1, False)
    assert "hone_client/operations.py is not as the API's document has it; run `make client`." in checked.stderr
    done = reference(tree)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(tree / path).read_text() for path in WRITTEN] == [(ROOT / path).read_text() for path in WRITTEN]


def test_a_call_is_told_with_the_command_that_does_it_and_not_with_one_that_does_more() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    for operation, told in {
        "show_project": "`hone project show`",
        "show_import": "`hone imports show`",
        "sample_items": "`hone items sample`",
        "list_models": "`hone models list`",
        "review_prompts": "`hone prompts admit`, `hone prompts reject`",
        "start_training": "`hone runs start`",
    }.items():
        [section] = re.findall(rf"### {operation}\n\n(.*)\n", page)
        assert section.endswith(f" · {told}")


def test_text_in_an_address_is_not_written_unquoted() -> None:
    about = {
        "operationId": "show_word", "tags": ["words"], "summary": "A word.", "security": [],
        "parameters": [{"name": "word", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"204": {}},
    }  # fmt: skip
    with pytest.raises(ValueError, match="show_word has word in its address"):
        client_operations({"paths": {"/api/v1/words/{word}": {"get": about}}, "components": {"schemas": {}}})
