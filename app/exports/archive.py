"""ZIP archives made while they are sent, and what the folder of a data set has beside its rows. Knows no label.

Entries are named before their length is known: it stands behind them, as every program that unpacks streams knows.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from app.exports.encoders import Drain

Entry = tuple[str, Iterator[bytes]]
_STORED = (".parquet", ".arrow")  # compressed in themselves, or to be mapped into memory
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same rows give the same archive


def stream(entries: Iterator[Entry]) -> Iterator[bytes]:
    """The bytes of an archive of these files."""
    written = Drain()
    with zipfile.ZipFile(written, "w") as archive:
        for name, pieces in entries:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if name.endswith(_STORED) else zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)
                    yield written.drain()
            yield written.drain()
    yield written.drain()


def state(split: str, files: Sequence[str]) -> bytes:
    """`state.json` of one split, by which `datasets.load_from_disk` finds its files."""
    known: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in files],
        "_fingerprint": sha256("\n".join([split, *files]).encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    return json.dumps(known, indent=2).encode()


def folder(splits: Sequence[str]) -> bytes:
    """`dataset_dict.json`."""
    return json.dumps({"splits": list(splits)}).encode()


def card(title: str, files: Mapping[str, str], columns: Sequence[str], said: Sequence[str]) -> bytes:
    """README.md, whose head tells `load_dataset` which files are which split; `files`: split -> pattern. None of a
    folder that is opened with `load_from_disk`."""
    head = ["---"]
    if files:
        head += ["configs:", "- config_name: default", "  data_files:"]
        head += [f"  - split: {split}\n    path: {json.dumps(pattern)}" for split, pattern in files.items()]
    head += ["---", "", f"# {title}", "", *said, "", "Columns: " + ", ".join(f"`{name}`" for name in columns) + ".", ""]
    return "\n".join(head).encode()
