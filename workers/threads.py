"""How many threads each kind of process computes with.

Two OpenMP threads beside one other busy process on two cores made small matrix products 50 times slower, so no two of
ours may count on the same core: training has all but one core, which pages, chat and sampling share.
"""

from typing import Literal

from rlhf.runtime import available_cores

Work = Literal["training", "sampling", "serving"]


def threads_for(work: Work) -> int:
    """Threads for a process that does this work on this machine, at least 1."""
    cores = available_cores()
    return max(1, cores - 1) if work == "training" else max(1, cores // 2)
