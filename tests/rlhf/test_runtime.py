"""Threads from the cores there are, devices and formats by name, and stop signals at a good moment."""

import os
import platform
import random
import signal
import subprocess
import sys

import numpy
import pytest
import torch

from rlhf.config import InputError, Interrupted
from rlhf.runtime import StopSignal, available_cores, pick_device, pick_dtype, seed_everything

CPU = torch.device("cpu")


def test_cores_are_those_the_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert 1 <= available_cores() <= len(allowed)


def test_torch_gets_the_threads_that_the_environment_or_the_cores_say() -> None:
    code = (
        "import os\n"
        "from rlhf.runtime import set_threads\n"
        "threads = set_threads()\n"
        "import torch\n"
        "print(threads, torch.get_num_threads(), os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    for given, expected in (({"OMP_NUM_THREADS": "1"}, 1), ({}, available_cores())):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain | given
        )
        assert done.stdout.split() == [str(expected), str(expected), "PASSIVE", "1000"]


def test_devices_and_formats_by_name() -> None:
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type in ("cpu", "cuda")
    assert pick_dtype("float32", CPU) is torch.float32
    assert pick_dtype("bfloat16", CPU) is torch.bfloat16
    capable = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    assert pick_dtype("auto", CPU) is (torch.bfloat16 if capable else torch.float32)
    with pytest.raises(InputError, match="is no device"):
        pick_device("abacus")


def test_one_seed_fixes_every_generator() -> None:
    drawn = []
    for seed in (5, 5, 6):
        seed_everything(seed)
        drawn.append((random.random(), float(numpy.random.rand()), float(torch.rand(()))))
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_held_until_it_is_asked_for(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignal("wait") as stop:
        stop.check()
        os.kill(os.getpid(), number)
        assert stop.requested
        with pytest.raises(Interrupted, match="stopped by a signal; wait"):
            stop.check()
        assert signal.getsignal(number) == signal.SIG_DFL  # a second one ends the process
    assert signal.getsignal(number) == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the thresholds are glibc's")
@pytest.mark.parametrize(("before", "own"), [("", 0), ("keep_no_memory()", 1), ("keep_memory()", 0)])
def test_large_blocks_are_given_back_where_none_is_kept(before: str, own: int) -> None:
    """After a block of 8 MB was freed, one of 1 MB: a mapping of its own, or a piece of the heap."""
    code = f"""
import ctypes
from rlhf.runtime import keep_memory, keep_no_memory
libc = ctypes.CDLL(None)
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]
libc.mallinfo2.restype, libc.malloc.restype, libc.free.argtypes = Info, ctypes.c_void_p, [ctypes.c_void_p]
{before}
libc.free(libc.malloc(8 << 20))
mapped = libc.mallinfo2().hblks
libc.malloc(1 << 20)
print(libc.mallinfo2().hblks - mapped)
"""
    assert int(subprocess.check_output([sys.executable, "-c", code])) == own
