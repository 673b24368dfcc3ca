"""How many threads each kind of process computes with.

Measured on two cores with ten busy processes, bfloat16 products of 8x576x1536 and 1024x576x1536 in GFLOPS:
one thread 22 and 49; two threads that sleep while they wait 36 and 40; two that spin 0.7 and 25. So a second thread
costs at most a fifth when others are busy and nearly doubles the speed when they are not: whoever works in the
background may use every core, as long as its threads do not spin for long (`rlhf.runtime.WAITING`).
"""

from typing import Literal

from rlhf.runtime import available_cores

Work = Literal["training", "sampling", "serving"]


def threads_for(work: Work) -> int:
    """Threads for a process that does this work on this machine, at least 1. Chat leaves half of the cores alone."""
    cores = available_cores()
    return max(1, cores // 2) if work == "serving" else cores
