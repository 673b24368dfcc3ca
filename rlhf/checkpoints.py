"""Whole checkpoints: a training that is killed at any moment goes on where it was, to the bit.

A checkpoint is a folder `checkpoint-<step>` that appears by one rename, so that it is there completely or not
at all. It holds tensors as safetensors and everything else as JSON; nothing in it can run code when it is read.
This module knows folders, modules, optimisers and generators. It does not know what is being trained.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from rlhf import lease
from rlhf.config import Busy, InputError
from rlhf.runtime import StopSignal

__all__ = [
    "StopSignal", "clear_checkpoints", "latest_checkpoint", "load_checkpoint", "output_lock", "publish",
    "save_checkpoint", "whole",
]  # fmt: skip

PREFIX = "checkpoint-"


# ---- folders -------------------------------------------------------------------------------------------------


def _fsync_path(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(beside: Path, final: Path) -> None:
    """Moves the finished folder `beside` to `final` (same file system), so that `final` is never half written.

    Everything in `beside` reaches the disk before the rename. A folder already at `final` is replaced.
    """
    for path in sorted(beside.rglob("*")):
        _fsync_path(path)
    _fsync_path(beside)
    old = final.with_name(f".{final.name}.old")
    lease.check()
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    beside.rename(final)
    _fsync_path(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    found = [
        (int(path.name.removeprefix(PREFIX)), path)
        for path in folder.glob(f"{PREFIX}*")
        if path.is_dir() and path.name.removeprefix(PREFIX).isdigit()
    ]
    return sorted(found)


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step in `folder`, or None."""
    found = _checkpoints(folder)
    return found[-1][1] if found else None


def clear_checkpoints(folder: Path, keep: int = 0) -> None:
    """Deletes all but the newest `keep` checkpoints, and what a killed write left behind."""
    lease.check()
    found = _checkpoints(folder)
    for _, path in found[: max(len(found) - keep, 0)]:
        shutil.rmtree(path)
    for leftover in folder.glob(f".{PREFIX}*"):
        shutil.rmtree(leftover)


@contextmanager
def output_lock(folder: Path) -> Iterator[None]:
    """Holds the output folder for one trainer; the lock goes with the process, however it ends.

    Raises Busy when another trainer holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"another training is writing to {folder}: wait until it ends, or choose another --output"
            ) from None
        yield


# ---- contents ------------------------------------------------------------------------------------------------


def _needed_tensors(module: nn.Module) -> dict[str, Tensor]:
    """What training changes: trainable parameters and saved buffers. Frozen weights come from the base model."""
    state = module.state_dict()  # first: it puts the parameters of a sharded module back into their sharded form
    parameters = dict(module.named_parameters(remove_duplicate=False))
    trainable = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    return {name: tensor for name, tensor in state.items() if name in trainable or name not in parameters}


def whole(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, gathered where it is sharded over processes (all must ask for it then)."""
    gathered = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return gathered.detach().cpu().contiguous()


def _as_stored(saved: Tensor, like: Tensor) -> Tensor:
    """`saved` on the device of `like`, and sharded as that is."""
    saved = saved.to(like.device)
    return distribute_tensor(saved, like.device_mesh, like.placements) if isinstance(like, DTensor) else saved


def _to_disk(tensors: Mapping[str, Tensor], path: Path, write: bool = True) -> None:
    gathered = {name: whole(tensor) for name, tensor in tensors.items()}
    if write:
        try:
            save_file(gathered, path)
        except SafetensorError as error:  # a full disk comes so
            raise OSError(f"cannot write {path}: {error}") from error


def _split_optimizer(optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimiser's state as flat tensors named `<parameter>/<entry>` and the rest as JSON."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            (tensors if isinstance(value, Tensor) else scalars)[f"{index}/{name}"] = value
    return tensors, {"scalars": scalars, "param_groups": state["param_groups"]}


def _join_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **rest["scalars"]}.items():
        index, name = key.split("/", 1)
        like = parameters[int(index)]
        fits = isinstance(value, Tensor) and value.shape == like.shape
        state.setdefault(int(index), {})[name] = _as_stored(value, like) if fits else value
    groups = [
        {key: tuple(value) if key == "betas" else value for key, value in group.items()}
        for group in rest["param_groups"]
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _random_state(generators: Mapping[str, torch.Generator]) -> tuple[dict[str, Tensor], list[Any]]:
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda/{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    tensors |= {f"generator/{name}": generator.get_state() for name, generator in generators.items()}
    version, numbers, gauss = random.getstate()
    return tensors, [version, list(numbers), gauss]


def _restore_random_state(
    tensors: Mapping[str, Tensor], python: list[Any], generators: Mapping[str, torch.Generator]
) -> None:
    torch.set_rng_state(tensors["torch"])
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            if f"cuda/{i}" in tensors:
                torch.cuda.set_rng_state(tensors[f"cuda/{i}"], i)
    for name, generator in generators.items():
        generator.set_state(tensors[f"generator/{name}"])
    random.setstate((python[0], tuple(python[1]), python[2]))


def save_checkpoint(
    folder: Path,
    step: int,
    *,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    generators: Mapping[str, torch.Generator],
    state: Mapping[str, Any],
    keep: int = 2,
    write: bool = True,
) -> Path:
    """Writes `folder/checkpoint-<step>/` and deletes all but the newest `keep` checkpoints.

    modules: only their trainable parameters and buffers are written. state: anything JSON can hold, given back
    by `load_checkpoint`. The random state of Python and of torch is added. Where several processes share a model,
    all must call this, for the parts of a sharded tensor are gathered here; `write` is True in one of them.
    """
    final = folder / f"{PREFIX}{step}"
    beside = folder / f".{PREFIX}{step}.part"
    if write:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
    for name, module in modules.items():
        _to_disk(_needed_tensors(module), beside / f"module-{name}.safetensors", write)
    rest: dict[str, Any] = {"step": step, "state": dict(state), "optimizers": {}}
    for name, optimizer in optimizers.items():
        tensors, rest["optimizers"][name] = _split_optimizer(optimizer)
        _to_disk(tensors, beside / f"optimizer-{name}.safetensors", write)
    if not write:
        return final
    tensors, rest["python_random"] = _random_state(generators)
    _to_disk(tensors, beside / "random.safetensors")
    (beside / "state.json").write_text(json.dumps(rest))
    publish(beside, final)
    clear_checkpoints(folder, keep=keep)
    return final


def load_checkpoint(
    path: Path,
    *,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    generators: Mapping[str, torch.Generator],
) -> dict[str, Any]:
    """Puts back what `save_checkpoint` wrote, in place, and returns its `state`.

    Raises InputError when the checkpoint was made with another model or other settings.
    """
    try:
        rest = json.loads((path / "state.json").read_text())
        for name, module in modules.items():
            _load_module(module, path / f"module-{name}.safetensors")
        for name, optimizer in optimizers.items():
            tensors = load_file(path / f"optimizer-{name}.safetensors")
            _join_optimizer(optimizer, tensors, rest["optimizers"][name])
        _restore_random_state(load_file(path / "random.safetensors"), rest["python_random"], generators)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise InputError(
            f"{path} does not fit this training ({error}): go on with the model and settings that made it, "
            "or start anew in another --output"
        ) from error
    return dict(rest["state"])


def _load_module(module: nn.Module, path: Path) -> None:
    needed = _needed_tensors(module)
    with safe_open(path, "pt") as saved, torch.no_grad():
        if needed.keys() != set(saved.keys()):
            odd = sorted(needed.keys() ^ set(saved.keys()))
            raise ValueError(f"{len(odd)} tensors differ, {odd[0]} among them")
        for name, tensor in needed.items():  # one by one: the whole file need not fit beside the model
            value = saved.get_tensor(name)
            if tensor.shape != value.shape:
                raise ValueError(f"{name} has shape {tuple(value.shape)}, not {tuple(tensor.shape)}")
            tensor.copy_(_as_stored(value, tensor))
