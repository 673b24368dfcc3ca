"""Trackers of experiments, through accelerate: tensorboard, wandb, trackio.

Each run has an id of its own, kept in its folder: two runs whose folders have the same name are two runs to a tracker,
and a resumed run goes on with its own. This module does not know what is logged.
"""

from __future__ import annotations

import importlib
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from rlhf import lease
from rlhf.chat_format import first_line
from rlhf.config import InputError

PROJECT = "hone"
ID_FILE = "tracker_id"
_NAMES = ("tensorboard", "wandb", "trackio")


def start_trackers(report_to: str, folder: Path, resume_step: int, settings: Mapping[str, Any]) -> list[Any]:
    """accelerate's trackers with these names (`none`, or several with commas), which were told the settings.

    `resume_step`: the last step that stays (0: a new run). They have `log(values, step=...)` and `finish()`. Raises
    InputError for a name that is unknown or whose package is missing.
    """
    names = [name.strip() for name in report_to.split(",")]
    names = [name for name in names if name not in ("", "none")]
    for name in names:
        _require(name)
    if not names:
        return []
    from accelerate import PartialState

    PartialState()  # trackers ask it whether this process is the one that logs
    run = _run_id(folder, resume_step)
    trackers = [_tracker(name, folder, run, resume_step) for name in names]
    with redirect_stdout(sys.stderr):  # the last line on stdout is the summary
        for tracker in trackers:
            try:
                tracker.start()
            except Exception as error:  # noqa: BLE001  a server that is away, a key that is none: each raises its own
                raise InputError(f"--report_to {tracker.name} cannot begin: {first_line(error)}") from None
            if not resume_step:
                tracker.store_init_configuration({name: _plain(value) for name, value in settings.items()})
    return trackers


def finish_trackers(trackers: Sequence[Any]) -> None:
    """Waits until they have what was logged."""
    with redirect_stdout(sys.stderr):
        for tracker in trackers:
            if tracker.name == "trackio":  # a run that accelerate finishes it finishes once more, at the very end
                importlib.import_module("trackio").finish()
            else:
                tracker.finish()


def _require(name: str) -> None:
    if name not in _NAMES:
        raise InputError(f"--report_to {name} is unknown: choose among none, {', '.join(_NAMES)}")
    try:
        importlib.import_module(name)
    except ImportError:
        raise InputError(f"--report_to {name} needs a package that is missing: pip install {name}") from None


def _run_id(folder: Path, resume_step: int) -> str:
    file = folder / ID_FILE
    if resume_step and file.exists():
        return file.read_text(encoding="ascii").strip()
    run = uuid.uuid4().hex[:12]
    lease.check()
    file.write_text(f"{run}\n", encoding="ascii")
    return run


def _tracker(name: str, folder: Path, run: str, resume_step: int) -> Any:
    from accelerate.tracking import TensorBoardTracker, TrackioTracker, WandBTracker

    called = folder.resolve().name
    if name == "tensorboard":
        return TensorBoardTracker("tensorboard", logging_dir=folder, purge_step=resume_step + 1)
    if name == "wandb":
        resume = "allow" if resume_step else None
        return WandBTracker(PROJECT, id=run, name=called, dir=str(folder), resume=resume)
    # trackio knows runs by their names alone
    return TrackioTracker(PROJECT, name=f"{called}-{run}", resume="allow" if resume_step else "never")


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
