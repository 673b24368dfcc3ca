"""All written files, by their paths."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app.main import create_app
from workers.reference.client_code import client_operations, models

ROOT = Path(__file__).parents[2]


def written() -> Iterator[tuple[str, str]]:
    """The files as they should be, each by its path. The client comes first: commands are made of its methods, and the
    page names them, so that both can only be looked at once a new call has its method."""
    document = create_app().openapi()
    for path, text in (
        ("hone_client/models.py", models(document)),
        ("hone_client/operations.py", client_operations(document)),
    ):
        yield path, _formatted(path, text)
    from workers.reference.api_page import page

    yield "docs/api.md", page(document)


def _formatted(path: str, text: str) -> str:
    """As `ruff format` writes it."""
    command = [str(Path(sys.executable).parent / "ruff"), "format", "--quiet", "--stdin-filename", path, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
