"""What the process runs on: threads, device, number format, random seeds, and stop signals.

Call `set_threads()` first in every command, before the first tensor.
"""

import contextlib
import ctypes
import math
import os
import random
import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Literal, Self

from rlhf.config import InputError, Interrupted

if TYPE_CHECKING:
    import torch

DtypeName = Literal["auto", "bfloat16", "float32"]

# How threads wait for each other: they spin for some microseconds, then sleep. Threads that spin on made small matrix
# products 50 times slower beside a busy process; threads that sleep at once make them a third slower where none is.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}


def available_cores() -> int:
    """The whole cores this process may use: its affinity, limited by the container's CPU quota; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, math.floor(int(quota) / int(period)))
    except (OSError, ValueError):
        pass  # no control group of version 2: the affinity stands
    return max(1, cores)


def set_threads() -> int:
    """Give torch as many threads as there are cores, or OMP_NUM_THREADS where that is set, and return the number.

    A worker that shares its cores with other processes should be started with OMP_NUM_THREADS=1.
    """
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)  # read by OpenMP when torch is first imported
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads would compete, and it warns after a fork
    given = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(given) if given.isdigit() and int(given) > 0 else available_cores()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)
    return threads


def keep_memory() -> None:
    """Have glibc keep what is freed for the next step, which asks for the same again, instead of giving it back.

    Pages fetched anew in every step cost PPO 6% on a CPU. Does nothing under another C library.
    """
    _thresholds(mmap=32 << 20, trim=2**31 - 1)  # the most it takes; larger blocks are fetched anew


def keep_no_memory() -> None:
    """Have glibc give large blocks back as soon as they are freed: for a process that lives for weeks and rests.

    Its thresholds are these to begin with, and grow with the blocks that are freed, so that later ones leave holes.
    """
    _thresholds(mmap=128 << 10, trim=128 << 10)


def give_back_memory() -> None:
    """Give what `keep_memory` kept back to the system."""
    _glibc("malloc_trim", 0)


def keep_few_kernels() -> None:
    """Have oneDNN keep the 128 kernels it compiled last instead of 1024. Call before the first tensor.

    It compiles one for each shape of a product in bfloat16, and training's passes hardly meet a shape twice: PPO's
    memory grew by 10 to 15 MB with each new number of tokens.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")


def _thresholds(*, mmap: int, trim: int) -> None:
    """From how many bytes on a block is one of its own, and free ones at the end of the heap are given back."""
    trim_threshold, mmap_threshold = -1, -3  # names of malloc.h
    _glibc("mallopt", mmap_threshold, mmap)
    _glibc("mallopt", trim_threshold, trim)


def _glibc(function: str, *values: int) -> None:
    with contextlib.suppress(OSError, AttributeError, TypeError):
        getattr(ctypes.CDLL(None), function)(*values)


def pick_device(name: str = "auto") -> "torch.device":
    """The device called `name`; "auto" takes the first CUDA device where there is one, and the CPU otherwise."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"--device: {name!r} is no device; use auto, cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("--device: this machine has no CUDA device that torch can use; use auto or cpu")
    return device


def pick_dtype(name: DtypeName, device: "torch.device") -> "torch.dtype":
    """The number format called `name`; "auto" takes bfloat16 where the hardware multiplies it natively."""
    import torch

    if name == "auto":
        return torch.bfloat16 if _native_bfloat16(device) else torch.float32
    return {"bfloat16": torch.bfloat16, "float32": torch.float32}[name]


def token_budget(asked: int | None, device: "torch.device", *, on_cpu: int) -> int:
    """Tokens to compute at once: as many as were asked for; None: what keeps the device busy."""
    return asked or (on_cpu if device.type == "cpu" else 16_384)


def _native_bfloat16(device: "torch.device") -> bool:
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators (all devices)."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


class StopSignal:
    """Turns SIGTERM and SIGINT into a flag while it is entered, so that work can save itself at a good moment.

    A second signal is not held back: it ends the process as usual.
    """

    def __init__(self, advice: str = "start again with --resume to go on") -> None:
        self.advice = advice
        self.requested = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raise Interrupted where a signal has come."""
        if self.requested:
            raise Interrupted(f"stopped by a signal; {self.advice}")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for held in self._previous:
            signal.signal(held, signal.SIG_DFL)
