"""All written files, by their paths."""

import subprocess
import sys
from pathlib import Path

from app.main import create_app
from workers.reference.api_page import page
from workers.reference.client_code import client_operations, models

ROOT = Path(__file__).parents[2]


def written() -> dict[str, str]:
    """The files as they should be."""
    document = create_app().openapi()
    code = {"hone_client/models.py": models(document), "hone_client/operations.py": client_operations(document)}
    return {path: _formatted(path, text) for path, text in code.items()} | {"docs/api.md": page(document)}


def _formatted(path: str, text: str) -> str:
    """As `ruff format` writes it."""
    command = [str(Path(sys.executable).parent / "ruff"), "format", "--quiet", "--stdin-filename", path, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
