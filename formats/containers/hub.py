"""Datasets of a Hugging Face hub by their name, downloaded into its cache as the files they are."""

import re
import shutil
from pathlib import Path

from formats.records import Unreadable

_PATTERNS = ["*.parquet", "*.jsonl*", "*.json", "*.csv", "*.tsv", "*.arrow"]


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")


def download(name: str, folder: Path | None = None) -> Path:
    """The folder of a dataset's files: this one, or one in the hub's cache. Raises Unreadable where there is none to
    get."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise Unreadable("A hub name needs the package huggingface_hub: install it, or give a file.") from None
    try:
        found = Path(snapshot_download(name, repo_type="dataset", local_dir=folder, allow_patterns=_PATTERNS))
    except Exception as error:  # noqa: BLE001  the client's own and its transport's errors have no common base
        reason = str(error).strip().partition("\n")[0][:200]
        raise Unreadable(
            f"The dataset {name} cannot be fetched from the hub ({type(error).__name__}: {reason}). "
            "Download it where there is a connection, and give the file or folder."
        ) from None
    if folder is not None:
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # what the hub's client notes beside the files
    return found
