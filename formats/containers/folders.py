"""Folders of data: what `save_to_disk` of `datasets` writes, and clones of hub repositories with files of data."""

import json
from collections.abc import Iterator
from pathlib import Path

from formats.containers.json_rows import SPLITS
from formats.records import Unreadable

DATA = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".json.gz", ".csv", ".csv.gz", ".tsv", ".arrow")


def arrow_parts(folder: Path) -> list[tuple[str | None, list[Path]]] | None:
    """(split, its Arrow files) of each split of a saved dataset; None where it is no such. Raises Unreadable."""
    if (folder / "dataset_dict.json").is_file():
        splits = _json(folder / "dataset_dict.json").get("splits")
        if not isinstance(splits, list) or not all(isinstance(name, str) for name in splits):
            raise Unreadable(f"{folder.name}/dataset_dict.json names no splits.")
        return [(name, _saved(_inside(folder, name))) for name in splits]
    if (folder / "state.json").is_file():
        return [(None, _saved(folder))]
    return None


def data_files(folder: Path) -> list[tuple[str | None, Path]]:
    """(split where the name tells it, file) of all files of data below a folder, in the order of their names."""
    files = sorted(path for path in folder.rglob("*") if is_data(path.relative_to(folder)) and path.is_file())
    if not files:
        raise Unreadable(f"The folder {folder.name} has no files of data in it.")
    return [(_split(path), path) for path in files]


def is_data(path: Path) -> bool:
    return path.name.lower().endswith(DATA) and not any(part.startswith(".") for part in path.parts)


def _split(path: Path) -> str | None:
    first = path.name.lower().partition(".")[0].partition("-")[0].partition("_")[0]
    return next((name for name in (first, path.parent.name.lower()) if name in SPLITS), None)


def _saved(folder: Path) -> list[Path]:
    files = _json(folder / "state.json").get("_data_files")
    names = list(_names(files))
    if not names:
        raise Unreadable(f"{folder.name}/state.json names no files of data.")
    return [_inside(folder, name) for name in names]


def _names(files: object) -> Iterator[str]:
    for entry in files if isinstance(files, list) else ():
        if isinstance(entry, dict) and isinstance(name := entry.get("filename"), str):
            yield name


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if Path(name).name != name or not path.exists():
        raise Unreadable(f"The folder {folder.name} has no {name!r} in it.")
    return path


def _json(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise Unreadable(f"{path.parent.name}/{path.name} cannot be read.") from None
    return found if isinstance(found, dict) else {}
