"""A store of models for tests that need their files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.models import Model


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Model], Path]]:
    """`stored(model)` puts the files of a registered model into a store of this test."""
    from app import settings

    monkeypatch.setenv("HONE_STORE_DIR", str(tmp_path / "store"))
    settings.get_settings.cache_clear()

    def store(model: Model) -> Path:
        folder = tmp_path / "store" / str(model.artifact)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights of " + model.name.encode())
        return folder

    yield store
    settings.get_settings.cache_clear()
