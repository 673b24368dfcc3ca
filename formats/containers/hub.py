"""Datasets of a Hugging Face hub by their name: downloaded into its cache, or fetched into a folder within a limit."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from formats.containers import folders
from formats.records import Unreadable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_PIECE = 2**18  # bytes: at 50 kB a second, somebody who asks to stop waits 5 s
_MB = 2**20


@dataclass(frozen=True, slots=True)
class _Listed:
    """A file as the hub's list has it."""

    path: str
    size: int


def download(name: str) -> Path:
    """The folder of a dataset's files in the hub's cache. Raises Unreadable where there is none to get."""
    with _asking(name):
        from huggingface_hub import snapshot_download

        patterns = [f"*{ending}" for ending in folders.DATA]
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=patterns))


def fetch(name: str, folder: Path, most: int, tell: Callable[[int, int], None]) -> None:
    """Put a dataset's files of data into this folder, one after another. `tell` is given the bytes that are there and
    those of all again and again, and raises where it is to stop. Raises Unreadable for more than `most` bytes."""
    revision, files = _list(name)
    total, fetched = sum(file.size for file in files), 0
    if total > most:
        raise Unreadable(
            f"The dataset {name} has {-(-total // _MB):,} MB of data in {len(files):,} files; at most {most // _MB:,} "
            "MB are fetched from the hub. Download what you need of it, and import that with “hone import”, which "
            "takes any size."
        )
    if not files:
        raise Unreadable(f"The dataset {name} has no files of data in it.")
    for file in files:
        target, here = folder / file.path, 0
        if not target.resolve().is_relative_to(folder.resolve()):
            raise Unreadable(f"The dataset {name} has a file outside of itself: {file.path}.")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as kept:
            for piece in _pieces(name, revision, file):
                here += len(piece)
                if here > file.size:
                    break
                kept.write(piece)
                tell(fetched + here, total)
        if here != file.size:
            raise Unreadable(f"The hub sent another file than it told: {file.path} is to have {file.size:,} bytes.")
        fetched += here


def _list(name: str) -> tuple[str, Sequence[_Listed]]:
    """The newest revision of a dataset, and its files of data."""
    with _asking(name):
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        hub = HfApi()
        revision = hub.dataset_info(name).sha or "main"
        tree = hub.list_repo_tree(name, recursive=True, revision=revision, repo_type="dataset")
        found = [_Listed(entry.path, entry.size) for entry in tree if isinstance(entry, RepoFile)]
        return revision, [file for file in found if folders.is_data(Path(file.path))]


def _pieces(name: str, revision: str, file: _Listed) -> Iterator[bytes]:
    with _asking(name):
        from huggingface_hub import HfFileSystem

        address = f"datasets/{name}@{revision}/{file.path}"
        with HfFileSystem(skip_instance_cache=True).open(address, "rb", block_size=0) as source:
            while piece := source.read(_PIECE):
                yield piece


@contextmanager
def _asking(name: str) -> Iterator[None]:
    """Raises Unreadable with a sentence where the hub does not give what it is asked for."""
    try:
        yield
    except ImportError:
        raise Unreadable("A hub name needs the package huggingface_hub: install it, or give a file.") from None
    except Exception as error:  # noqa: BLE001  the client's own and its transport's errors have no common base
        reason = str(error).strip().partition("\n")[0][:200]
        raise Unreadable(
            f"The dataset {name} cannot be fetched from the hub ({type(error).__name__}: {reason}). "
            "Download it where there is a connection, and give the file or folder."
        ) from None
