"""What is asked of a folder before anything is read from it or written to it, so that the answer is a sentence.

It knows names of files, neither models nor data.
"""

from __future__ import annotations

import json
from pathlib import Path

from rlhf.config import InputError

LOAD_ERRORS = Exception  # over a damaged folder transformers raises anything: of types, of attributes, of division

_SETTINGS = ("config.json", "generation_config.json", "tokenizer_config.json")


def refuse_no_model(path: str | Path) -> None:
    """Raise InputError where a folder holds an adapter alone, or settings that transformers would stumble over."""
    folder = Path(path)
    if (folder / "adapter_config.json").is_file():
        raise InputError(f"{path} holds an adapter: merge it into its base model and give the merged model's folder")
    for file in (folder / name for name in _SETTINGS):
        try:
            settings = json.loads(file.read_bytes()) if file.is_file() else {}
        except (ValueError, RecursionError):
            settings = None
        if not isinstance(settings, dict):
            raise InputError(f"{file} is damaged: it must hold a model's settings as a JSON object")


def require_place(output: str | Path, *, folder: bool) -> None:
    """Raise InputError where there is something else in the place of an output, a folder or a file."""
    path = Path(output)
    if folder and path.is_file():
        raise InputError(f"--output {output} is a file: name a folder")
    if not folder and path.is_dir():
        raise InputError(f"--output {output} is a folder: name a file in it")
    for parent in path.parents:
        if parent.is_file():
            raise InputError(f"--output {output}: {parent} is a file, in which there can be none")
